"""RTP headers as columns: the same as reading each packet by itself."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.rtp import columns

WIDTH = 400


def batch(packets: list[bytes]) -> columns.RtpColumns:
    data = np.zeros((len(packets), WIDTH), np.uint8)
    for row, packet in enumerate(packets):
        data[row, : min(len(packet), WIDTH)] = np.frombuffer(packet[:WIDTH], np.uint8)
    return columns.parse(data, np.array([len(packet) for packet in packets]))


def packet(first: int = 0x80, second: int = 0, rest: bytes = b"") -> bytes:
    return struct.pack("!BBHII", first, second, 0xFFFE, 0xFFFF_FF00, 0xDEAD_BEEF) + rest


def slow_payload(packet: bytes) -> bytes | None:
    """RFC 3550 §5.1, one packet, by the letter."""
    if not 12 <= len(packet) <= WIDTH or packet[0] >> 6 != 2:
        return None
    begin, end = 12 + 4 * (packet[0] & 0xF), len(packet)
    if packet[0] & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
    if packet[0] & 0x20:
        if not 0 < packet[-1] <= end - begin:
            return None
        end -= packet[-1]
    return packet[begin:end] if begin <= end else None


def test_fields() -> None:
    got = batch([packet(second=0x80 | 101, rest=b"abcd")])
    assert got.valid.tolist() == [True]
    assert (got.payload_type[0], got.marker[0]) == (101, True)
    assert (got.sequence[0], got.timestamp[0], got.ssrc[0]) == (0xFFFE, 0xFFFF_FF00, 0xDEAD_BEEF)
    assert (got.offset[0], got.size[0]) == (12, 4)


heads = st.sampled_from([0x80, 0x90, 0xA0, 0xB0, 0x82, 0xBF, 0x40, 0x00])


@given(st.lists(st.builds(packet, heads, st.integers(0, 255), st.binary(max_size=60)), max_size=9))
def test_a_batch_is_read_as_each_packet_by_itself(packets: list[bytes]) -> None:
    got = batch(packets)
    for row, one in enumerate(packets):
        payload = slow_payload(one)
        assert bool(got.valid[row]) == (payload is not None)
        if payload is not None:
            begin = int(got.offset[row])
            assert one[begin : begin + int(got.size[row])] == payload


@given(st.lists(st.binary(max_size=WIDTH + 20), max_size=5))
def test_any_bytes_are_judged_not_raised(packets: list[bytes]) -> None:
    got = batch(packets)
    expected = [slow_payload(one) is not None for one in packets]
    assert got.valid.tolist() == expected


def test_headers_written_are_headers_read() -> None:
    out = np.zeros((3, 12), np.uint8)
    given_columns = (
        np.array([0, 8, 101]),
        np.array([True, False, True]),
        np.array([0, 65_535, 258]),
        np.array([2**32 - 1, 0, 16_909_060]),
        np.array([1, 2**32 - 1, 16_909_060]),
    )
    columns.write_headers(out, *given_columns)
    got = columns.parse(out, np.full(3, 12))
    read = (got.payload_type, got.marker, got.sequence, got.timestamp, got.ssrc)
    for wrote, found in zip(given_columns, read, strict=True):
        assert wrote.tolist() == found.tolist()


def test_rtcp_is_told_from_rtp() -> None:
    data = np.zeros((4, 12), np.uint8)
    data[:, 1] = (200, 203, 0, 0x80 | 101)
    assert columns.is_rtcp(data).tolist() == [True, True, False, False]
