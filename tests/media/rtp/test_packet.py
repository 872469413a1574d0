"""One RTP packet as a value: round trips, and the same judgement as the columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.rtp import RtpError, columns
from aywa.media.rtp.packet import HeaderExtension, RtpPacket

u16, u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
words = st.binary(max_size=4).map(lambda data: data * 4)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=u16,
    timestamp=u32,
    ssrc=u32,
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    csrcs=st.lists(u32, max_size=15).map(tuple),
    extension=st.none() | st.builds(HeaderExtension, u16, words),
    padding=st.integers(0, 255),
)
damaged = st.tuples(packets, st.integers(0, 500), st.integers(0, 2), st.integers(0, 255)).map(
    lambda parts: (
        (bytes(parts[0])[: parts[1]])[: parts[2]]
        + bytes([parts[3]])
        + bytes(parts[0])[parts[2] + 1 : parts[1]]
    )
)


@given(packets)
def test_a_packet_is_read_back(packet: RtpPacket) -> None:
    assert RtpPacket.parse(bytes(packet)) == packet


def test_the_octets_are_those_of_the_standard() -> None:
    packet = RtpPacket(
        payload_type=101,
        sequence=0x0102,
        timestamp=0x03040506,
        ssrc=0x0708090A,
        payload=b"abc",
        marker=True,
        csrcs=(0x0B0C0D0E,),
        extension=HeaderExtension(0xBEDE, b"\x10\xff\x00\x00"),
        padding=2,
    )
    wire = "b1e50102030405060708090a0b0c0d0ebede000110ff00006162630002"
    assert bytes(packet).hex() == wire


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        ("", "of 0 bytes is shorter"),
        ("40" + "00" * 11, "version 1, expected 2"),
        ("81" + "00" * 11, "header takes 16"),
        ("90" + "00" * 13, "before its extension at 12"),
        ("90" + "00" * 13 + "0001", "extension of 4 bytes, but 0 are left"),
        ("a0" + "00" * 12, "padding of 0 bytes"),
        ("a0" + "00" * 11 + "05", "its padding 5"),
    ],
)
def test_what_is_wrong_is_said(wire: str, sentence: str) -> None:
    with pytest.raises(RtpError, match=sentence):
        RtpPacket.parse(bytes.fromhex(wire))


@given(st.lists(packets.map(bytes) | damaged | st.binary(max_size=60), min_size=1, max_size=6))
def test_columns_and_value_judge_any_bytes_alike(datagrams: list[bytes]) -> None:
    data = np.zeros((len(datagrams), 600), np.uint8)
    for row, datagram in enumerate(datagrams):
        data[row, : len(datagram)] = np.frombuffer(datagram, np.uint8)
    got = columns.parse(data, np.array([len(datagram) for datagram in datagrams]))
    for row, datagram in enumerate(datagrams):
        try:
            one = RtpPacket.parse(datagram)
        except RtpError:
            assert not got.valid[row]
            continue
        begin, size = int(got.offset[row]), int(got.size[row])
        assert got.valid[row]
        assert datagram[begin : begin + size] == one.payload
        assert (got.payload_type[row], got.marker[row]) == (one.payload_type, one.marker)
        numbers = (got.sequence[row], got.timestamp[row], got.ssrc[row])
        assert numbers == (one.sequence, one.timestamp, one.ssrc)
