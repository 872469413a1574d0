"""SRTP keys in session descriptions (RFC 4568), and who takes which."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.base.ids import SeededEntropy
from aywa.media.sdp import (
    MediaDescription,
    MediaPolicy,
    Negotiated,
    NotAcceptable,
    Sdes,
    Session,
    SessionDescription,
    hidden_keys,
)
from aywa.media.sdp.crypto import KEY_OCTETS, Crypto, cryptos

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
KEY = bytes(range(30))
TEXT = base64.b64encode(KEY).decode()
GCM = bytes(range(44))
REQUIRED, OPTIONAL = MediaPolicy(security="required"), MediaPolicy(security="optional")


def side(policy: MediaPolicy, seed: int = 1) -> Session:
    return Session("192.0.2.1", 5000, 7, policy, SeededEntropy(seed))


def offer(*cryptos: str, protocol: str = "RTP/SAVP") -> bytes:
    lines = "".join(f"a=crypto:{one}\r\n" for one in cryptos)
    return f"{HEAD}m=audio 4000 {protocol} 0\r\n{lines}".encode()


def keys(agreed: Negotiated) -> Sdes:
    assert agreed.security is not None
    return agreed.security


def test_both_sides_hold_the_same_keys_crossed() -> None:
    caller, called = side(REQUIRED), side(OPTIONAL, 2)
    body, ours = called.answer(caller.offer())
    theirs = caller.accept(body)
    assert keys(ours).local_key == keys(theirs).remote_key
    assert keys(ours).remote_key == keys(theirs).local_key
    assert keys(ours).suite == keys(theirs).suite == "AES_CM_128_HMAC_SHA1_80"
    assert b"RTP/SAVP" in body
    assert keys(ours).local_key.hex() not in repr(ours)
    assert str(keys(ours).local_key) not in repr(ours)


def test_the_first_suite_that_we_know_is_taken_with_its_tag() -> None:
    body, agreed = side(REQUIRED).answer(
        offer(
            f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
            f"2 AES_CM_128_HMAC_SHA1_80 inline:{TEXT} UNENCRYPTED_SRTP",
            f"3 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}|2^20|1:4",
            f"4 AES_CM_128_HMAC_SHA1_32 inline:{TEXT}|2^31",
            f"5 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}",
        )
    )
    assert keys(agreed).suite == "AES_CM_128_HMAC_SHA1_32"
    assert keys(agreed).remote_key == KEY
    assert b"a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:" in body
    assert body.count(b"a=crypto:") == 1


def test_a_key_without_its_padding_is_read_and_ours_is_padded() -> None:
    text = base64.b64encode(GCM).decode().rstrip("=")
    body, agreed = side(OPTIONAL).answer(offer(f"1 AEAD_AES_256_GCM inline:{text}"))
    assert keys(agreed).remote_key == GCM
    answered = body.split(b"inline:")[1].split(b"\r\n")[0]
    assert len(answered) == 60
    assert answered.endswith(b"=")


def test_a_new_offer_keeps_our_key_and_takes_the_peer_s_new_one() -> None:
    session = side(REQUIRED)
    _, first = session.answer(offer(f"1 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}"))
    other = base64.b64encode(bytes(30)).decode()
    _, second = session.answer(offer(f"1 AES_CM_128_HMAC_SHA1_80 inline:{other}"))
    assert keys(second).local_key == keys(first).local_key
    assert keys(second).remote_key == bytes(30)
    again = session.offer()
    assert again.count(b"a=crypto:") == 1
    assert base64.b64encode(keys(first).local_key) in again


@pytest.mark.parametrize(
    ("policy", "body", "sentence"),
    [
        (REQUIRED, offer(protocol="RTP/AVP"), "takes RTP/SAVP"),
        (REQUIRED, offer(), "a crypto line"),
        (OPTIONAL, offer("1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ="), "a crypto line"),
        (MediaPolicy(), offer(f"1 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}"), "takes RTP/AVP"),
    ],
)
def test_what_the_policy_does_not_permit(policy: MediaPolicy, body: bytes, sentence: str) -> None:
    with pytest.raises(NotAcceptable, match=sentence):
        side(policy).answer(body)


@pytest.mark.parametrize(
    "answer",
    [
        offer(protocol="RTP/AVP"),
        offer(f"9 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}"),
        offer(f"2 AES_CM_128_HMAC_SHA1_80 inline:{TEXT}"),
    ],
)
def test_an_answer_that_takes_no_key_of_ours_is_refused(answer: bytes) -> None:
    session = side(REQUIRED)
    session.offer()
    with pytest.raises(NotAcceptable):
        session.accept(answer)


def test_optional_offers_plain_and_takes_it() -> None:
    session = side(OPTIONAL)
    assert b"RTP/AVP" in session.offer()
    assert session.accept(offer(protocol="RTP/AVP")).security is None


def test_keys_are_hidden_octet_for_octet() -> None:
    body = side(REQUIRED).offer()
    hidden = hidden_keys(body)
    assert len(hidden) == len(body)
    description = SessionDescription.parse(body)
    for line in cryptos(description.media[0]):
        assert base64.b64encode(line.key) not in hidden


@given(st.text(max_size=200))
def test_no_crypto_line_breaks_the_reader(text: str) -> None:
    line = Crypto.parse(text)
    assert line is None or len(line.key) == KEY_OCTETS[line.suite]
    cryptos(MediaDescription("audio", 1, "RTP/SAVP", ("0",), None, (("crypto", text),)))
