"""Comfort noise: peers that are silent on purpose, and our own silence."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.codecs.pcm import rms_dbfs
from aywa.media import plane
from aywa.media.rtp.packet import RtpPacket

from .conftest import Bench, Caller, noise


def say(bench: Bench, caller: Caller, frames: int) -> None:
    for frame in noise(160 * frames).reshape(-1, 160):
        bench.tick((caller, caller.audio(frame)))


def fall_silent(bench: Bench, caller: Caller, ticks: int, level: int = 50) -> None:
    """Send one comfort noise packet, then nothing; the clock of the sender goes on."""
    bench.tick((caller, caller.packet(bytes([level]), payload_type=13)))
    bench.ticks(ticks - 1)
    caller.timestamp = (caller.timestamp + 160 * ticks) % 2**32


@pytest.mark.parametrize("gap", [1, 2, 3, 10, 100])
def test_a_silence_on_purpose_is_neither_loss_nor_concealed(bench: Bench, gap: int) -> None:
    caller = bench.open()
    say(bench, caller, 20)
    fall_silent(bench, caller, gap)
    say(bench, caller, 20)
    bench.ticks(3)
    report = bench.close().report
    assert (report.lost, report.concealed, report.late, report.comfort_noise) == (0, 0, 0, 1)
    real = np.repeat(bench.real(), 160)
    assert np.array_equal(bench.heard()[real], np.tile(noise(160 * 20), 2))


def test_the_silence_sounds_softly_as_the_peer_told(bench: Bench) -> None:
    caller = bench.open()
    say(bench, caller, 20)
    fall_silent(bench, caller, 50, level=60)
    heard = bench.heard()[20 * 160 :]
    assert len(heard) > 40 * 160
    assert rms_dbfs(heard) == pytest.approx(-60, abs=1)
    assert not any(bench.real()[20:])
    speech = [flag for e in bench.events if isinstance(e, plane.Heard) for flag in e.speech]
    assert not any(speech[20:])


@pytest.mark.parametrize(("payload", "level"), [(b"\x00", -40), (b"", -120), (b"\xff\x55", -120)])
def test_no_noise_is_loud(bench: Bench, payload: bytes, level: int) -> None:
    caller = bench.open()
    say(bench, caller, 20)
    bench.tick((caller, caller.packet(payload, payload_type=13)))
    bench.ticks(20)
    assert rms_dbfs(bench.heard()[20 * 160 :]) == pytest.approx(level, abs=1)


def test_a_loss_before_the_silence_is_still_concealed(bench: Bench) -> None:
    caller = bench.open()
    say(bench, caller, 20)
    caller.audio(noise(160))
    bench.tick()
    say(bench, caller, 3)
    fall_silent(bench, caller, 10)
    say(bench, caller, 5)
    report = bench.close().report
    assert (report.lost, report.concealed) == (1, 1)


def test_a_hole_that_is_older_than_the_silence_is_a_loss(bench: Bench) -> None:
    caller = bench.open()
    say(bench, caller, 20)
    caller.audio(noise(160))
    sound = (caller, caller.audio(noise(160)))
    bench.tick(sound, (caller, caller.packet(b"\x32", payload_type=13)))
    bench.ticks(10)
    report = bench.close().report
    assert (report.lost, report.concealed) == (1, 1)


def test_our_silence_is_a_small_packet_every_200_ms(bench: Bench) -> None:
    bench.open(comfort_noise_payload_type=13)
    bench.command(plane.Play("a", 1, noise(800)))
    bench.ticks(65)
    packets = [RtpPacket.parse(packet) for packet in bench.sent["a"]]
    assert [packet.payload_type for packet in packets] == [0] * 15 + [13] * 5
    assert {packet.payload for packet in packets[15:]} == {bytes([70])}
    at = [(packet.timestamp - packets[0].timestamp) % 2**32 // 160 for packet in packets]
    assert at == [*range(15), 15, 25, 35, 45, 55]
    steps = {(b.sequence - a.sequence) % 65_536 for a, b in itertools.pairwise(packets)}
    assert steps == {1}


def test_sound_after_our_silence_begins_at_once_with_a_marker(bench: Bench) -> None:
    bench.open(comfort_noise_payload_type=13)
    bench.ticks(34)
    bench.command(plane.Play("a", 1, noise(320)))
    bench.ticks(2)
    packets = [RtpPacket.parse(packet) for packet in bench.sent["a"]]
    assert [packet.payload_type for packet in packets[-3:]] == [13, 0, 0]
    assert [packet.marker for packet in packets[-2:]] == [True, False]
    assert (packets[-2].timestamp - packets[0].timestamp) % 2**32 == 34 * 160
    assert np.array_equal(bench.spoken(since=-2), noise(320))


def test_keys_are_sent_out_of_a_silence_while_others_rest(bench: Bench) -> None:
    for stream in "bac":
        bench.open(stream, comfort_noise_payload_type=13)
    bench.ticks(25)
    bench.sent.clear()
    bench.command(plane.SendDigits("c", "5"))
    bench.ticks(5)
    assert {packet[1] & 0x7F for packet in bench.sent["c"]} == {101}
    assert len(bench.sent["c"]) == 5
    assert "a" not in bench.sent


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=4), st.integers(0, 2**32 - 1)), max_size=12))
def test_any_comfort_noise_leaves_hearing_whole(packets: list[tuple[bytes, int]]) -> None:
    bench = Bench()
    caller = bench.open()
    say(bench, caller, 5)
    kept = caller.timestamp
    for payload, timestamp in packets:
        caller.timestamp = timestamp
        bench.tick((caller, caller.packet(payload, payload_type=13)))
    caller.timestamp = (kept + 160 * len(packets)) % 2**32
    say(bench, caller, 5)
    bench.ticks(10)
    real = bench.heard().reshape(-1, 160)[bench.real()]
    # Noise that claims a wrong time may turn the pause into a loss; sound fades in after that.
    assert np.array_equal(real[:, 32:], np.tile(noise(800), 2).reshape(-1, 160)[:, 32:])
