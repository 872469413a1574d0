"""What the engine sends: pacing, generations, flush, pause and resume."""

import itertools
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.media import plane
from aywa.media.playout import FADE

from .conftest import Bench, noise


def test_one_packet_a_tick_with_numbers_running_on(bench: Bench) -> None:
    bench.open()
    bench.ticks(10)
    bench.command(plane.Play("a", 1, noise(800)))
    bench.ticks(90)
    heads = [struct.unpack("!BBHII", packet[:12]) for packet in bench.sent["a"]]
    assert len(heads) == 100
    steps = [((b[2] - a[2]) % 65_536, (b[3] - a[3]) % 2**32) for a, b in itertools.pairwise(heads)]
    assert set(steps) == {(1, 160)}
    assert [number for number, head in enumerate(heads) if head[1] & 0x80] == [10]
    assert np.array_equal(bench.spoken()[1_600 : 1_600 + 800], noise(800))
    assert np.abs(bench.spoken()[2_400:]).max() == 0


def test_a_generation_is_told_when_it_begins_and_when_it_has_left(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 3, noise(1_000)))
    bench.command(plane.EndPlay("a", 3))
    began = bench.now
    bench.ticks(20)
    [started] = bench.of(plane.PlayStarted)
    [played] = bench.of(plane.Played)
    assert started == plane.PlayStarted("a", 3, began + 0.02)
    assert (played.generation, played.samples) == (3, 1_000)  # type: ignore[attr-defined]
    assert round(played.at - began, 3) == 0.14  # type: ignore[attr-defined]
    assert not bench.command(plane.Play("a", 3, noise(100)))
    bench.ticks(5)
    assert np.abs(bench.spoken()[1_120:]).max() == 0


def test_after_a_flush_not_one_old_sample_leaves(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(4_000)))
    bench.ticks(13)
    [flushed] = bench.command(plane.Flush("a", 1))
    assert flushed == plane.Flushed("a", 1, bench.now, 13 * 160)
    bench.command(plane.Play("a", 1, noise(4_000)))
    bench.ticks(30)
    assert np.abs(bench.spoken()[13 * 160 :]).max() == 0
    bench.command(plane.Play("a", 2, noise(320, 5)))
    bench.ticks(2)
    assert np.array_equal(bench.spoken()[-320:], noise(320, 5))


def test_a_newer_generation_cuts_the_older(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(4_000)))
    bench.ticks(2)
    bench.command(plane.Play("a", 2, noise(160, 6)))
    bench.command(plane.Play("a", 1, noise(4_000)))
    bench.ticks(3)
    assert np.array_equal(bench.spoken()[320:480], noise(160, 6))
    assert np.abs(bench.spoken()[480:]).max() == 0


def test_a_pause_loses_nothing_and_a_resume_can_go_back(bench: Bench) -> None:
    bench.open()
    sound = noise(8_000)
    bench.play(sound, end=True)
    bench.ticks(10)
    assert bench.command(plane.Pause("a", 1)) == [plane.Paused("a", 1, bench.now, 1_600)]
    bench.ticks(20)
    assert np.abs(bench.spoken()[1_600:]).max() == 0
    bench.command(plane.Resume("a", 1, 480))
    bench.ticks(50)
    again = bench.spoken()[30 * 160 :]
    assert np.array_equal(again[FADE : 8_000 - 1_120], sound[1_120 + FADE :])
    [played] = bench.of(plane.Played)
    assert played.samples == 8_000  # type: ignore[attr-defined]


def test_hold_stops_sending_and_keeps_what_waits(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(800)))
    bench.ticks(2)
    bench.configure("a", direction="recvonly")
    bench.ticks(10)
    assert len(bench.sent["a"]) == 2
    bench.configure("a", direction="sendrecv")
    bench.ticks(5)
    assert np.array_equal(bench.spoken()[:800], noise(800))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 4), st.integers(1, 900)),
        st.tuples(st.just("flush"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("end"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("pause"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("resume"), st.integers(1, 4), st.integers(0, 2_000)),
        st.tuples(st.just("tick"), st.integers(1, 5), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(steps)
def test_whatever_is_said_no_generation_before_a_flush_or_a_newer_one_is_heard(
    script: list[tuple[str, int, int]],
) -> None:
    """Each generation is a constant level, so every sample tells which one it belongs to."""
    bench = Bench()
    bench.open()
    level = {g: int(noise(16, g)[g]) or 100 for g in range(1, 5)}
    newest, flushed = 0, 0
    for verb, number, size in script:
        match verb:
            case "play":
                bench.command(plane.Play("a", number, np.full(size, level[number], np.int16)))
                newest = max(newest, number)
            case "end":
                bench.command(plane.EndPlay("a", number))
                newest = max(newest, number)
            case "flush":
                bench.command(plane.Flush("a", number))
                newest, flushed = max(newest, number), max(flushed, number)
            case "pause":
                bench.command(plane.Pause("a", number))
            case "resume":
                bench.command(plane.Resume("a", number, size))
            case "tick":
                before = len(bench.sent.get("a", []))
                bench.ticks(number)
                loud = set(np.unique(bench.spoken(since=before)).tolist()) - {0}
                allowed = {level[newest]} if newest > flushed else set()
                top = max((abs(value) for value in allowed), default=0)
                assert all(value in allowed or abs(value) < top for value in loud)


def test_the_last_packet_is_in_the_recording(bench: Bench) -> None:
    bench.open(files=True)
    bench.command(plane.Play("a", 1, noise(1_600)))
    bench.ticks(10)
    bench.close()
    recorded = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 1]
    assert np.array_equal(recorded[np.flatnonzero(recorded)[0] :], noise(1_600))
