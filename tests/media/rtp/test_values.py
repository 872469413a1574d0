"""RTCP, telephone events and wrapping arithmetic."""

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
from aywa.media.rtp.telephone_event import EventAssembler, FinishedDigit, TelephoneEvent

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
    with contextlib.suppress(RtpError):
        TelephoneEvent.parse(data)


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


def event(digit: int, duration: int, *, end: bool = False) -> bytes:
    return bytes(TelephoneEvent(digit, end, 10, duration))


def test_a_digit_is_told_once_though_its_end_comes_three_times() -> None:
    digits = EventAssembler()
    told = []
    for step in range(1, 6):
        told += digits.receive(event(5, 160 * step), 1000, step * 0.02)
    for _ in range(3):
        told += digits.receive(event(5, 960, end=True), 1000, 0.12)
    told += digits.expire(10.0)
    assert told == [FinishedDigit("5", 0.12)]


def test_the_same_digit_twice_is_two_digits() -> None:
    digits = EventAssembler()
    first = digits.receive(event(1, 800, end=True), 1000, 0.1)
    second = digits.receive(event(1, 800, end=True), 3000, 0.4)
    assert first == second == [FinishedDigit("1", 0.1)]


def test_a_lost_end_is_made_up_by_the_next_digit_or_by_time() -> None:
    digits = EventAssembler()
    assert digits.receive(event(10, 320), 1000, 0.0) == []
    assert digits.receive(event(11, 160), 2000, 0.1) == [FinishedDigit("*", 0.04)]
    assert digits.pending
    assert digits.expire(0.2) == []
    assert digits.expire(0.31) == [FinishedDigit("#", 0.02)]
    assert not digits.pending


def test_events_that_are_no_digits_are_not_told() -> None:
    assert EventAssembler().receive(event(16, 800, end=True), 1, 0.0) == []
