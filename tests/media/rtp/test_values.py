"""RTCP and wrapping arithmetic."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.rtp import RtpError, rtcp
from aywa.media.rtp.sequence import (
    sequence_add,
    sequence_distance,
    timestamp_add,
    timestamp_distance,
)

u8, u32 = st.integers(0, 255), st.integers(0, 2**32 - 1)
blocks = st.builds(rtcp.ReportBlock, u32, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32)
some_blocks = st.lists(blocks, max_size=3).map(tuple)
packets = st.one_of(
    st.builds(rtcp.SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, some_blocks),
    st.builds(rtcp.ReceiverReport, u32, some_blocks),
    st.builds(rtcp.SourceDescription, u32, st.text(max_size=20)),
    st.builds(rtcp.Goodbye, st.lists(u32, min_size=1, max_size=3).map(tuple)),
)


@given(st.lists(packets, max_size=4))
def test_compounds_are_read_back(compound: list[rtcp.RtcpPacket]) -> None:
    assert rtcp.parse(rtcp.build(compound)) == compound


@given(st.binary(max_size=80))
def test_any_bytes_are_packets_or_an_rtp_error(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        rtcp.parse(data)


def test_the_round_trip_is_what_the_peer_did_not_hold() -> None:
    sent, arrived = rtcp.ntp_time(1000.0), rtcp.ntp_time(1000.25)
    block = rtcp.ReportBlock(1, 0, 0, 0, 0, sent >> 16 & 0xFFFF_FFFF, round(0.2 * 65536))
    assert rtcp.round_trip_s(block, arrived) == pytest.approx(0.05, abs=1e-4)
    assert rtcp.round_trip_s(rtcp.ReportBlock(1, 0, 0, 0, 0), arrived) is None


@given(st.integers(0, 65_535), st.integers(-32_768, 32_767))
def test_distances_undo_additions_around_the_circle(start: int, step: int) -> None:
    assert sequence_distance(sequence_add(start, step), start) == step
    stamps = timestamp_add(np.array([start * 65_537]), step)
    assert timestamp_distance(stamps, start * 65_537).tolist() == [step]


def test_ntp_time_begins_anew_in_2036() -> None:
    assert rtcp.ntp_time(0.5) == 2_208_988_800 << 32 | 1 << 31
    wrap = 2**32 - 2_208_988_800  # 7 February 2036
    report = rtcp.SenderReport(1, rtcp.ntp_time(wrap + 2.0), 0, 0, 0)
    assert rtcp.parse(rtcp.build([report])) == [report]
    block = rtcp.ReportBlock(1, 0, 0, 0, 0, rtcp.ntp_time(wrap - 1.0) >> 16, 65_536)
    assert rtcp.round_trip_s(block, rtcp.ntp_time(wrap + 0.5)) == pytest.approx(0.5)


def test_a_cname_is_found_behind_other_items() -> None:
    items = b"\x02\x03Bob" + b"\x01\x05bob@b" + b"\0" * 4
    wire = b"\x81\xca\x00\x05" + b"\0\0\0\x07" + items
    assert rtcp.parse(wire) == [rtcp.SourceDescription(7, "bob@b")]
    with pytest.raises(RtpError, match="cut short"):
        rtcp.parse(wire[:3] + b"\x02" + wire[4:11] + b"\x09")


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        (b"\x80\xc9", "2 bytes left"),
        (b"\x40\xc9\x00\x00", "version 1"),
        (b"\x80\xc9\x00\x01", "length 8 exceeds the 4 left"),
        (b"\x81\xc9\x00\x01abcd", "type 201 with 4 bytes is cut short"),
    ],
)
def test_what_is_wrong_with_rtcp_is_said(wire: bytes, sentence: str) -> None:
    with pytest.raises(RtpError, match=sentence):
        rtcp.parse(wire)
