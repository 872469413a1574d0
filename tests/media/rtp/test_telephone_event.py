"""Telephone events: every digit once, whatever the network did to its packets."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.rtp import RtpError
from aywa.media.rtp.telephone_event import (
    DIGITS,
    EventAssembler,
    FinishedDigit,
    TelephoneEvent,
    encode_event,
)


@given(st.binary(max_size=8))
def test_any_payload_is_an_event_or_an_rtp_error(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        assert len(bytes(TelephoneEvent.parse(data))) == 4
    with contextlib.suppress(RtpError):
        EventAssembler().receive(data, 0, 0.0)


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


@given(st.lists(st.tuples(st.sampled_from(DIGITS), st.integers(2, 20)), max_size=6), st.data())
def test_what_is_sent_is_told_once_through_loss_and_delay(
    sent: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Of each digit at least one packet comes; each may come up to 60 ms late, and twice."""
    arrivals: list[tuple[float, int, bytes]] = []
    for index, (digit, steps) in enumerate(sent):
        payloads = encode_event(digit, steps * 0.02)
        kept = data.draw(st.sets(st.integers(0, len(payloads) - 1), min_size=1))
        for number in kept:
            late = data.draw(st.sampled_from([0.0, 0.0, 0.02, 0.06]))
            at = index + number * 0.02
            arrivals += [(at + late, 8_000 * index, bytes(payloads[number]))]
            arrivals += [(at + late, 8_000 * index, bytes(payloads[number]))] * (number % 2)
    digits, told, now = EventAssembler(), [], 0.0
    for at, timestamp, payload in sorted(arrivals):
        while now < at:
            told += digits.expire(now)
            now += 0.02
        told += digits.receive(payload, timestamp, at)
    told += digits.expire(now + 1.0)
    assert [one.digit for one in told] == [digit for digit, _ in sent]


def test_a_late_packet_of_the_digit_before_does_not_tell_it_again() -> None:
    digits = EventAssembler()
    told = digits.receive(event(1, 800, end=True), 1000, 0.1)
    told += digits.receive(event(2, 160), 2000, 0.2)
    told += digits.receive(event(1, 800, end=True), 1000, 0.21)
    told += digits.receive(event(2, 320, end=True), 2000, 0.22)
    assert told == [FinishedDigit("1", 0.1), FinishedDigit("2", 0.04)]


def test_a_clock_that_began_anew_is_followed() -> None:
    digits = EventAssembler()
    assert digits.receive(event(1, 800, end=True), 1000, 0.1) == [FinishedDigit("1", 0.1)]
    assert digits.receive(event(2, 800, end=True), 900, 5.0) == [FinishedDigit("2", 0.1)]
    assert digits.receive(event(3, 800, end=True), 2**31, 5.1) == [FinishedDigit("3", 0.1)]


def test_a_digit_of_twenty_seconds_is_one_digit() -> None:
    digits, told, start = EventAssembler(), [], 2**32 - 70_000
    for tick in range(160, 160_001, 160):
        segment = (tick - 1) // 0xFFFF
        begin = (start + segment * 0xFFFF) & 0xFFFF_FFFF
        told += digits.receive(event(9, tick - segment * 0xFFFF), begin, tick / 8_000)
    segment = 159_999 // 0xFFFF
    begin = (start + segment * 0xFFFF) & 0xFFFF_FFFF
    told += digits.receive(event(9, 160_000 - segment * 0xFFFF, end=True), begin, 20.02)
    assert told == [FinishedDigit("9", 20.0)]


def test_the_same_key_eight_seconds_later_is_another_press() -> None:
    digits = EventAssembler()
    told = digits.receive(event(1, 800, end=True), 0, 0.1)
    told += digits.receive(event(1, 800, end=True), 0xFFFF, 8.3)
    assert told == [FinishedDigit("1", 0.1)] * 2


def test_sending_a_digit() -> None:
    payloads = encode_event("#", 0.08, volume=7)
    assert [(p.duration, p.end) for p in payloads] == [
        (160, False),
        (320, False),
        (480, False),
        (640, True),
        (640, True),
        (640, True),
    ]
    assert {(p.event, p.volume) for p in payloads} == {(11, 7)}
    assert all(a.duration <= b.duration for a, b in pairwise(encode_event("0", 8.0)))


@pytest.mark.parametrize(("digit", "seconds"), [("E", 0.1), ("12", 0.1), ("", 0.1), ("1", 9.0)])
def test_what_is_no_digit_is_not_sent(digit: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        encode_event(digit, seconds)
