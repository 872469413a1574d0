"""Session descriptions and offer/answer, as peers send them and as RFC 3264 asks."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.sdp import (
    Negotiated,
    NotAcceptable,
    SdpError,
    Session,
    SessionDescription,
)

HEAD = "v=0\r\no=alice 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
AUDIO = "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
AGREED = Negotiated("192.0.2.2", 4000, 4001, "pcma", 8, 101, "sendrecv")


def session() -> Session:
    return Session("192.0.2.1", 20_000, session_id=7)


def answered(offer: str) -> tuple[str, Negotiated]:
    body, agreed = session().answer(offer.encode())
    return body.decode(), agreed


def test_our_offer_is_answered_by_ourselves() -> None:
    caller, callee = session(), Session("192.0.2.2", 4000, session_id=8)
    answer, theirs = callee.answer(caller.offer())
    ours = caller.accept(answer)
    assert theirs == Negotiated("192.0.2.1", 20_000, 20_001, "pcmu", 0, 101, "sendrecv")
    assert ours == Negotiated("192.0.2.2", 4000, 4001, "pcmu", 0, 101, "sendrecv")


def test_the_offerers_first_law_is_taken_and_only_that() -> None:
    body, agreed = answered(HEAD + AUDIO)
    assert agreed == AGREED
    assert "m=audio 20000 RTP/AVP 8 101\r\n" in body
    assert "a=rtcp:20001\r\n" in body
    assert body.endswith("a=sendrecv\r\n")


@pytest.mark.parametrize(
    ("offered", "ours"),
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
@pytest.mark.parametrize("level", ["session", "media"])
def test_hold_is_answered_in_kind(offered: str, ours: str, level: str) -> None:
    line = f"a={offered}\r\n"
    offer = HEAD + line + AUDIO if level == "session" else HEAD + AUDIO + line
    body, agreed = answered(offer)
    assert agreed.direction == ours
    assert body.endswith(f"a={ours}\r\n")


def test_the_old_hold_by_a_zero_address() -> None:
    _, agreed = answered((HEAD + AUDIO).replace("c=IN IP4 192.0.2.2", "c=IN IP4 0.0.0.0"))
    assert agreed.direction == "recvonly"


def test_versions_run_and_the_session_stays() -> None:
    ours = session()
    bodies = [ours.offer(), ours.answer((HEAD + AUDIO).encode())[0], ours.offer("sendonly")]
    described = [SessionDescription.parse(body) for body in bodies]
    assert [d.version for d in described] == [1, 2, 3]
    assert {d.session_id for d in described} == {7}
    held = HEAD + AUDIO + "a=recvonly\r\n"
    assert ours.accept(held.encode()).direction == "sendonly"
    assert ours.accept((HEAD + AUDIO).encode()).direction == "sendonly"


def test_the_version_stands_still_when_nothing_changes() -> None:
    ours = session()
    first, _ = ours.answer((HEAD + AUDIO).encode())
    again, _ = ours.answer((HEAD + AUDIO).encode())
    assert again == first
    held, _ = ours.answer((HEAD + AUDIO + "a=sendonly\r\n").encode())
    resumed, _ = ours.answer((HEAD + AUDIO).encode())
    assert [SessionDescription.parse(body).version for body in (first, held, resumed)] == [1, 2, 3]


def test_a_new_offer_keeps_the_places_and_numbers_of_the_session() -> None:
    ours = session()
    video = "m=video 4200 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    audio = "m=audio 4000 RTP/AVPF 97 98\r\na=rtpmap:97 PCMA/8000\r\n"
    ours.answer((HEAD + video + audio + "a=rtpmap:98 telephone-event/8000\r\n").encode())
    offer = ours.offer().decode()
    assert [line for line in offer.split("\r\n") if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96",
        "m=audio 20000 RTP/AVPF 97 0 98",
    ]
    assert "a=rtpmap:97 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" in offer
    answer = HEAD + video.replace("4200", "0") + "m=audio 4400 RTP/AVPF 0\r\n"
    agreed = ours.accept(answer.encode())
    assert agreed == Negotiated("192.0.2.2", 4400, 4401, "pcmu", 0, None, "sendrecv")
    with pytest.raises(NotAcceptable, match="there is no audio"):
        ours.accept((HEAD + video).encode())


def test_media_that_we_do_not_take_are_declined_in_their_order() -> None:
    fax = "m=image 4400 udptl t38\r\n"
    video = "m=video 4200 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    body, agreed = answered(HEAD + video + AUDIO + fax + AUDIO.replace("4000", "4100"))
    lines = [line for line in body.split("\r\n") if line.startswith("m=")]
    assert lines == [
        "m=video 0 RTP/AVP 96",
        "m=audio 20000 RTP/AVP 8 101",
        "m=image 0 udptl t38",
        "m=audio 0 RTP/AVP 8 0 101",
    ]
    assert agreed == AGREED


def test_a_real_peers_liberties() -> None:
    offer = HEAD + AUDIO + "a=ptime:30\r\na=rtcp:4999 IN IP4 192.0.2.2\r\nz=?\r\n"
    bare = offer.replace("\r\n", "\n").rstrip("\n").replace("a=ptime", "k=clear:x\na=ptime")
    _, agreed = answered(bare)
    assert agreed == replace(AGREED, ptime_ms=30, remote_rtcp_port=4999)


def test_a_dynamic_number_and_a_media_address_are_taken() -> None:
    _, agreed = answered(
        HEAD + "m=audio 4000 RTP/AVP 98 97\r\nc=IN IP4 192.0.2.9\r\n"
        "a=rtpmap:97 pcmu/8000/1\r\na=rtpmap:98 opus/48000/2\r\n"
    )
    assert agreed == Negotiated("192.0.2.9", 4000, 4001, "pcmu", 97, None, "sendrecv")


def test_ipv6() -> None:
    offer = Session("2001:db8::2", 4000, 1).offer()
    assert b"c=IN IP6 2001:db8::2\r\n" in offer
    _, agreed = Session("2001:db8::1", 20_000, 2).answer(offer)
    assert agreed.remote_host == "2001:db8::2"


@pytest.mark.parametrize(
    ("lines", "rtcp_port", "ptime_ms"),
    [
        ("", 4001, 20),
        ("a=rtcp:0\r\na=ptime:0\r\n", 4001, 20),
        ("a=rtcp:70000\r\na=ptime:5\r\n", 4001, 20),
        ("a=rtcp:x\r\na=ptime:x\r\n", 4001, 20),
        ("a=rtcp:4444\r\na=ptime:10\r\n", 4444, 10),
        ("a=rtcp:65535\r\na=ptime:60\r\n", 65_535, 60),
    ],
)
def test_only_ports_and_packet_times_that_can_be_are_believed(
    lines: str, rtcp_port: int, ptime_ms: int
) -> None:
    _, agreed = answered(HEAD + AUDIO + lines)
    assert (agreed.remote_rtcp_port, agreed.ptime_ms) == (rtcp_port, ptime_ms)


def test_no_port_is_above_the_last_one() -> None:
    _, agreed = answered(HEAD + AUDIO.replace("4000", "65535"))
    assert (agreed.remote_port, agreed.remote_rtcp_port) == (65_535, 65_535)


def test_comfort_noise_and_what_is_no_payload_type_do_no_harm() -> None:
    mixed = AUDIO.replace("8 0 101", "x 13 300 8 0 101") + "a=rtpmap:x PCMU/8000\r\na=rtpmap\r\n"
    body, agreed = answered(HEAD + mixed + "a=rtpmap:13 CN/8000\r\n")
    assert agreed == AGREED
    assert "RTP/AVP 8 101\r\n" in body


@pytest.mark.parametrize(
    ("offer", "sentence"),
    [
        (HEAD + "m=audio 4000 RTP/AVP 18 96\r\na=rtpmap:96 opus/48000/2\r\n", "G729, OPUS/48000"),
        (HEAD + "m=audio 4000 RTP/SAVP 0\r\n", "the audio is RTP/SAVP"),
        (HEAD + "m=image 4400 udptl t38\r\n", "there is no audio"),
        (HEAD + AUDIO.replace("4000", "0"), "there is no audio"),
        (HEAD, "no media"),
        (HEAD + "m=audio 4000 RTP/AVP x\r\na=rtpmap:x PCMU/8000\r\n", "the audio has no format"),
        (HEAD + f"m=audio 4000 RTP/AVP {' 9' * 5000}\r\n", r"G722, G722, …; this call"),
        (HEAD.replace("c=IN IP4 192.0.2.2", "c=IN IP4 239.1.1.1/5") + AUDIO, "is multicast"),
        (HEAD.replace("c=IN IP4 192.0.2.2\r\n", "") + AUDIO, "no c= line"),
        (HEAD.replace("c=IN IP4 192.0.2.2", "c=IN IP4 pbx.example") + AUDIO, "not an IP address"),
        (HEAD.replace("c=IN IP4 192.0.2.2", "c=IN IP6 ::1") + AUDIO, "is IPv6"),
    ],
)
def test_no_common_ground_is_said_in_a_sentence(offer: str, sentence: str) -> None:
    with pytest.raises(NotAcceptable, match=sentence):
        answered(offer)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "no o= line"),
        ("hello", "line 1 .* expected v=0"),
        ("v=0\r\nhello\r\n", "line 2 .* a letter and ="),
        ("v=0\r\no=- 1\r\n", "no o= line"),
        (HEAD + "m=audio RTP/AVP 0\r\n", "fewer than four"),
        (HEAD + "m=audio 70000 RTP/AVP 0\r\n", "line 6 .* port"),
        (HEAD + f"m=audio {'4' * 5_000} RTP/AVP 0\r\n", "line 6 .* port"),
        (HEAD + "a=" + "x" * 65_536, "bytes, expected at most 65536"),
        (HEAD + "c=IN IP4\r\n", "line 6 .* expected IN"),
        (HEAD + AUDIO * 40, "more than the 32"),
        (HEAD + "a=x\r\n" * 1_000, "more than 1000 lines"),
    ],
)
def test_what_is_no_description_is_said_with_its_line(body: str, sentence: str) -> None:
    with pytest.raises(SdpError, match=sentence):
        answered(body)


def test_a_description_cut_anywhere_is_answered_or_refused_with_a_sentence() -> None:
    whole = (HEAD + AUDIO).encode()
    for cut in range(len(whole)):
        with contextlib.suppress(SdpError, NotAcceptable):
            session().answer(whole[:cut])


@pytest.mark.parametrize("where", ["a=ptime:", "a=rtcp:", "a=rtpmap:", "o=- "])
def test_numbers_of_any_length_are_survived(where: str) -> None:
    huge = "9" * 5_000
    if where == "o=- ":
        offer = HEAD.replace("o=alice 1 1", f"o=- {huge} {huge}") + AUDIO
    else:
        offer = HEAD + AUDIO.replace("101\r\n", f"101 {huge}\r\n", 1) + where + huge + " PCMU/8000"
    assert answered(offer)[1] == AGREED


lines = st.lists(
    st.tuples(st.sampled_from("vosctamzq"), st.text(max_size=30)).map("=".join), max_size=12
)


@given(st.binary(max_size=300) | lines.map(lambda them: (HEAD + "\r\n".join(them)).encode()))
def test_any_bytes_give_an_answer_or_one_of_the_two_errors(body: bytes) -> None:
    with contextlib.suppress(SdpError, NotAcceptable):
        session().answer(body)
    with contextlib.suppress(SdpError):
        description = SessionDescription.parse(body)
        parsed = SessionDescription.parse(bytes(description))
        assert [m.port for m in parsed.media] == [m.port for m in description.media]
