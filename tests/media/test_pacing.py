"""Packets of 10, 30, 40 and 60 ms that we send."""

import itertools

import numpy as np
import pytest

from aywa.codecs import wideband
from aywa.media import plane
from aywa.media.rtp.packet import RtpPacket

from .conftest import Bench, noise

PTIMES = [10, 30, 40, 60]


def parsed(bench: Bench, stream: str = "a") -> list[RtpPacket]:
    return [RtpPacket.parse(packet) for packet in bench.sent.get(stream, [])]


@pytest.mark.parametrize("ptime", PTIMES)
def test_packets_hold_what_was_agreed_and_time_runs_on(bench: Bench, ptime: int) -> None:
    bench.open(ptime_ms=ptime)
    bench.command(plane.Play("a", 1, noise(160 * 30)))
    bench.ticks(60)
    packets, size = parsed(bench), 8 * ptime
    assert {len(packet.payload) for packet in packets} == {size}
    assert len(packets) == 60 * 160 // size
    steps = [
        ((b.sequence - a.sequence) % 65_536, (b.timestamp - a.timestamp) % 2**32)
        for a, b in itertools.pairwise(packets)
    ]
    assert set(steps) == {(1, size)}
    assert [at for at, packet in enumerate(packets) if packet.marker] == [0]
    assert np.array_equal(bench.spoken()[: 160 * 30], noise(160 * 30))


@pytest.mark.parametrize("ptime", PTIMES)
def test_a_packet_has_the_time_of_its_first_sample(bench: Bench, ptime: int) -> None:
    for stream, milliseconds in (("a", ptime), ("b", 20)):
        bench.open(stream, ptime_ms=milliseconds)
    bench.ticks(12)
    odd, plain = parsed(bench), parsed(bench, "b")
    assert len(plain) == 12
    last = (odd[-1].timestamp + len(odd[-1].payload) - odd[0].timestamp) % 2**32
    assert last == 12 * 160
    assert (plain[-1].timestamp - plain[0].timestamp) % 2**32 == 11 * 160


@pytest.mark.parametrize("ptime", PTIMES)
def test_keys_leave_at_once_and_sound_goes_on_after_them(bench: Bench, ptime: int) -> None:
    bench.open(ptime_ms=ptime)
    bench.command(plane.Play("a", 1, noise(1_920)))
    bench.ticks(2)
    bench.command(plane.SendDigits("a", "5", gap_ms=40))
    bench.ticks(24)
    packets = parsed(bench)
    events = [packet for packet in packets if packet.payload_type == 101]
    assert len(events) == 10
    first = packets[0].sequence
    assert [packet.sequence - first & 0xFFFF for packet in packets] == list(range(len(packets)))
    bench.sent["a"] = [packet for packet in bench.sent["a"] if packet[1] & 0x7F == 0]
    assert np.array_equal(bench.spoken()[:1_920], noise(1_920))


@pytest.mark.parametrize("ptime", PTIMES)
def test_silence_as_comfort_noise(bench: Bench, ptime: int) -> None:
    bench.open(ptime_ms=ptime, comfort_noise_payload_type=13)
    bench.ticks(40)
    bench.command(plane.Play("a", 1, noise(1_920)))
    bench.ticks(12)
    packets = parsed(bench)
    assert [packet.payload_type for packet in packets].count(13) == 3
    assert [packet.marker for packet in packets if packet.payload_type == 0].count(True) == 1
    assert np.array_equal(bench.spoken(since=-1_920 // (8 * ptime)), noise(1_920))


def test_a_word_shorter_than_its_packet_has_the_marker(bench: Bench) -> None:
    bench.open(ptime_ms=60)
    bench.ticks(6)
    bench.command(plane.Play("a", 1, noise(100)))
    bench.ticks(6)
    assert [packet.marker for packet in parsed(bench)] == [False, False, True, False]


def test_streams_of_every_length_share_a_tick(bench: Bench) -> None:
    streams = {"a": 10, "b": 20, "c": 30, "d": 40, "e": 60, "f": 33}
    for stream, ptime in streams.items():
        bench.open(stream, ptime_ms=ptime)
        bench.command(plane.Play(stream, 1, noise(1_920, ptime)))
    bench.ticks(12)
    for stream, ptime in streams.items():
        assert np.array_equal(bench.spoken(stream), noise(1_920, ptime))
    assert len(parsed(bench, "f")) == 12


def test_the_length_can_change_amid_a_call(bench: Bench) -> None:
    bench.open(ptime_ms=40)
    bench.ticks(4)
    bench.configure("a", ptime_ms=20)
    bench.ticks(2)
    assert [len(packet.payload) for packet in parsed(bench)] == [320, 320, 160, 160]


@pytest.mark.skipif(not wideband.available(), reason="the extra wideband is missing")
def test_other_codecs_send_20_ms_whatever_is_asked(bench: Bench) -> None:
    bench.open(codec="g722", payload_type=9, ptime_ms=30)
    bench.ticks(6)
    assert [len(packet.payload) for packet in parsed(bench)] == [160] * 6
