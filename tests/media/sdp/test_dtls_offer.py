"""Offers and answers of DTLS-SRTP (RFC 5763, RFC 8842): roles, fingerprints, RTCP beside RTP."""

import pytest

from aywa.base.ids import SeededEntropy
from aywa.media.sdp import Dtls, MediaPolicy, Negotiated, NotAcceptable, Session

OURS = ("sha-256", bytes(range(32)))
THEIRS = ("sha-256", bytes(32))
REQUIRED = MediaPolicy(security="required", keying="dtls")
OPTIONAL = MediaPolicy(security="optional")
PRINT = "sha-256 " + ":".join(["00"] * 32)


def side(policy: MediaPolicy, number: int = 1, *, certificate: bool = True) -> Session:
    fingerprint = OURS if certificate else None
    return Session("192.0.2.1", 5000, number, policy, SeededEntropy(1), fingerprint=fingerprint)


def description(*lines: str, protocol: str = "UDP/TLS/RTP/SAVP", session: str = "") -> bytes:
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    text = "".join(f"{line}\r\n" for line in (f"m=audio 4000 {protocol} 0", *lines))
    return f"{head}{session}{text}".encode()


def wish(agreed: Negotiated) -> Dtls:
    assert isinstance(agreed.security, Dtls)
    return agreed.security


def test_our_offer_lets_the_peer_choose_and_shows_our_certificate() -> None:
    offer = side(REQUIRED).offer()
    assert b"m=audio 5000 UDP/TLS/RTP/SAVP " in offer
    assert b"a=setup:actpass\r\n" in offer
    assert b"a=fingerprint:sha-256 00:01:02:03" in offer
    assert b"a=rtcp-mux\r\n" in offer and b"a=rtcp:5000\r\n" in offer
    assert b"crypto" not in offer


@pytest.mark.parametrize(
    ("setup", "active", "said"),
    [("actpass", True, b"active"), ("active", False, b"passive"), ("passive", True, b"active")],
)
def test_an_answer_takes_the_part_that_is_left(setup: str, active: bool, said: bytes) -> None:
    offer = description(f"a=setup:{setup}", f"a=fingerprint:{PRINT}", "a=rtcp-mux")
    body, agreed = side(OPTIONAL).answer(offer)
    assert wish(agreed).active is active
    assert b"a=setup:" + said + b"\r\n" in body
    assert wish(agreed).fingerprints == (THEIRS,)
    assert agreed.rtcp_mux and agreed.remote_rtcp_port == agreed.remote_port == 4000


def test_the_session_may_speak_for_the_m_line() -> None:
    session = f"a=setup:passive\r\na=fingerprint:{PRINT.replace('00', 'aa')}\r\n"
    _, agreed = side(OPTIONAL).answer(description(session=session))
    assert wish(agreed).active
    assert wish(agreed).fingerprints == (("sha-256", b"\xaa" * 32),)
    assert not agreed.rtcp_mux
    assert agreed.remote_rtcp_port == 4001


def test_a_later_offer_keeps_the_parts_of_the_association() -> None:
    ours = side(OPTIONAL)
    lines = [f"a=fingerprint:{PRINT}", "a=rtcp-mux"]
    _, first = ours.answer(description("a=setup:active", *lines))
    body, again = ours.answer(description("a=setup:actpass", *lines))
    assert wish(again) == wish(first)
    assert b"a=setup:passive" in body
    assert b"a=setup:actpass" in ours.offer()
    taken = ours.accept(description("a=setup:active", *lines))
    assert wish(taken) == wish(first)
    assert taken.rtcp_mux


def test_two_of_ours_agree_crosswise() -> None:
    caller, called = side(REQUIRED), side(OPTIONAL, 2)
    body, theirs = called.answer(caller.offer())
    ours = caller.accept(body)
    assert wish(theirs).active is not wish(ours).active
    assert wish(theirs).association != wish(ours).association


@pytest.mark.parametrize(
    "line",
    [
        "a=setup:actpass",
        "a=fingerprint:sha-1 " + ":".join(["00"] * 20),
        "a=fingerprint:sha-256 00:11",
        "a=fingerprint:sha-256 nothing",
    ],
)
def test_without_a_fingerprint_that_proves_something_there_is_no_call(line: str) -> None:
    with pytest.raises(NotAcceptable, match="fingerprint"):
        side(OPTIONAL).answer(description(line))


def test_who_has_no_certificate_takes_no_dtls() -> None:
    offer = description("a=setup:actpass", f"a=fingerprint:{PRINT}")
    with pytest.raises(NotAcceptable, match=r"SAVP; this call takes RTP/AVP, RTP/SAVP"):
        side(OPTIONAL, certificate=False).answer(offer)
    with pytest.raises(NotAcceptable, match=r"takes RTP/AVP$"):
        side(MediaPolicy()).answer(offer)


def test_rtcp_stays_beside_rtp_unless_both_want_it_otherwise() -> None:
    ours = side(OPTIONAL)
    assert b"rtcp-mux" not in ours.offer()
    agreed = ours.accept(description("a=rtcp-mux", protocol="RTP/AVP"))
    assert not agreed.rtcp_mux and agreed.remote_rtcp_port == 4001
    body, agreed = side(OPTIONAL).answer(description("a=rtcp-mux", protocol="RTP/AVP"))
    assert agreed.rtcp_mux and b"a=rtcp-mux\r\n" in body
