"""The parser: round trips, hostile bytes, RFC 4475, streams cut anywhere."""

import contextlib
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.sip import SipParseError
from aywa.sip.message import Request, Response, StreamParser, Uri, parse_message

from .conftest import Wire
from .test_requests import request

TORTURE = Path(__file__).parents[2] / ".." / "shared" / "data" / "torture" / "rfc4475"

LIBERTIES = ("liberal", "ignore", "repaired", "505")
"""Words by which the index leaves it open whether an invalid message is read."""

lines = st.lists(
    st.tuples(
        st.sampled_from(["Via", "v", "To", "From", "CSeq", "Content-Length", "X-A", " folded"]),
        st.text(max_size=40),
    ).map(lambda pair: f"{pair[0]}: {pair[1]}"),
    max_size=8,
)
starts = st.sampled_from(["INVITE sip:a@b SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0", "X Y Z"])
messages = st.builds(
    lambda start, head, body: "\r\n".join([start, *head, "", ""]).encode("utf-8", "ignore") + body,
    starts,
    lines,
    st.binary(max_size=50),
)


@given(st.binary(max_size=400) | messages)
def test_any_datagram_is_a_message_or_a_parse_error(data: bytes) -> None:
    with contextlib.suppress(SipParseError):
        message = parse_message(data)
        with contextlib.suppress(SipParseError):
            message.check()
        assert parse_message(bytes(message)) == message


@given(st.binary(max_size=400) | messages)
def test_any_datagram_is_survived_by_a_user_agent(data: bytes) -> None:
    wire = Wire()
    wire.raw(data)
    wire.run(40)


def test_a_stream_is_cut_right_wherever_its_pieces_end() -> None:
    body = "v=0\r\n"
    one = request(extra="Content-Type: application/sdp\r\n", body=body)
    stream = one + b"\r\n" + request("OPTIONS", n=2)
    for cut in range(len(stream)):
        parser = StreamParser()
        pieces = parser.feed(stream[:cut]) + parser.feed(stream[cut:])
        assert [parse_message(piece) for piece in pieces] == [
            parse_message(one),
            parse_message(request("OPTIONS", n=2)),
        ]
        assert not parser.lost


def test_a_stream_that_cannot_be_framed_is_given_up() -> None:
    for data in (b"x" * 70_000, b"INVITE a SIP/2.0\r\nContent-Length: x\r\n\r\n"):
        parser = StreamParser()
        parser.feed(data)
        assert parser.lost


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@[2001:db8::1]:5070;transport=tcp?subject=x",
        "tel:+358-555-1234567",
    ],
)
def test_uris_are_read_and_written(text: str) -> None:
    assert str(Uri.parse(text)) == text


@pytest.mark.skipif(not TORTURE.is_dir(), reason="the RFC 4475 messages are not on this machine")
def test_rfc_4475() -> None:
    """Valid messages are read, invalid ones refused or dropped, and the agent lives on."""
    with (TORTURE / "INDEX.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) >= 49
    wrong = []
    for row in rows:
        name = row[next(iter(row))]
        path = TORTURE / (name if name.endswith(".dat") else f"{name}.dat")
        try:
            message = parse_message(path.read_bytes())
            message.check()
            assert isinstance(message, Request | Response)
            read = True
        except SipParseError:
            read = False
        wire = Wire()
        wire.raw(path.read_bytes())
        wire.run(40)
        free = any(word in row["expected_behaviour"] for word in LIBERTIES)
        if row["class"] == "valid" and not read:
            wrong.append(name)
        if row["class"] == "invalid" and read and not free:
            wrong.append(name)
    assert wrong == []
