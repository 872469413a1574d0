"""What a bad line does to hearing and to the recording: loss, jitter, reordering, stalls, gaps."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aywa.codecs import wav
from aywa.media.quality import StreamReport
from aywa.media.rtp import rtcp

from .conftest import WALL_OFFSET, Bench, noise

TICK_MS = 20
FADE = 32  # samples that are blended after a loss


@dataclass(frozen=True)
class Line:
    """One call: packets of `size` samples, packet i delayed by `delays[i]` ms."""

    size: int
    delays: tuple[int, ...]
    lost: frozenset[int] = frozenset()
    doubled: frozenset[int] = frozenset()
    pause: tuple[int, int] = (0, 0)
    """The caller sends nothing for so many ms before this packet."""

    def sound(self) -> NDArray[np.int16]:
        return noise(self.size * len(self.delays))

    def run(self, bench: Bench) -> StreamReport:
        caller, sound = bench.open(files=True), self.sound()
        arrivals: list[tuple[int, bytes]] = []
        for number, delay in enumerate(self.delays):
            paused = self.pause[1] if number >= self.pause[0] else 0
            if number == self.pause[0]:
                caller.timestamp = (caller.timestamp + 8 * paused) % 2**32
            packet = caller.audio(sound[number * self.size : (number + 1) * self.size])
            at = number * self.size // 8 + paused + delay
            arrivals += [(at, packet)] * (number not in self.lost)
            arrivals += [(at + 7, packet)] * (number in self.doubled - self.lost)
        arrivals.sort(key=lambda arrival: arrival[0])
        for tick in range(arrivals[-1][0] // TICK_MS + 40):
            begin = tick * TICK_MS
            came = [p for at, p in arrivals if begin <= at < begin + TICK_MS]
            bench.tick(*((caller, packet) for packet in came))
        return bench.close().report


def heard(bench: Bench) -> NDArray[np.int16]:
    """What was really heard, made frames left out."""
    return bench.heard()[np.repeat(np.array(bench.real(), np.bool_), 160)]


def recorded(bench: Bench) -> NDArray[np.int16]:
    """The caller's channel."""
    left = wav.parse(wav.header(8_000, 2) + bench.files["a", "recording"]).pcm[:, 0]
    return np.asarray(left, np.int16)


def steady(count: int) -> tuple[int, ...]:
    return (0,) * count


@st.composite
def lines(draw: st.DrawFn) -> Line:
    size = draw(st.sampled_from([80, 160, 240, 320, 480]))
    count = draw(st.integers(20, 60)) * 160 // size + 2
    worst = draw(st.sampled_from([0, 10, 40, 90, 200]))
    numbers = st.integers(0, count - 1)
    return Line(
        size,
        tuple(draw(st.lists(st.integers(0, worst), min_size=count, max_size=count))),
        frozenset(draw(st.sets(numbers, max_size=count // 4))),
        frozenset(draw(st.sets(numbers, max_size=4))),
        (draw(numbers), draw(st.sampled_from([0, 37, 400, 3_000]))),
    )


@settings(max_examples=60, deadline=None)
@given(lines())
def test_whatever_comes_in_time_is_heard_once_and_in_order(line: Line) -> None:
    bench = Bench()
    report = line.run(bench)
    sound, got = line.sound(), heard(bench)
    came = len(line.delays) - len(line.lost)
    assert report.packets_received == came
    # A hole may spoil the frame that it begins amid; nothing else that came in time is missing.
    whole = line.size % 160 == 0 and line.pause[1] % TICK_MS == 0
    holes = 0 if whole else len(line.lost) + report.late + 4
    assert len(got) >= (came - report.late) * line.size - 160 * holes
    places = {sound[at + FADE : at + 80].tobytes(): at for at in range(0, len(sound), 80)}
    order = [places[got[at + FADE : at + 80].tobytes()] for at in range(0, len(got), 80)]
    assert order == sorted(set(order))


def burst(packets: int) -> Line:
    """So many come together, the last of them in time."""
    delays = [*steady(50), *(20 * (packets - number) for number in range(packets)), *steady(100)]
    return Line(160, tuple(delays))


@pytest.mark.parametrize("packets", [20, 36])
def test_a_burst_that_the_buffer_holds_is_heard_whole(bench: Bench, packets: int) -> None:
    """0.7 s and less."""
    line = burst(packets)
    assert line.run(bench).late == 0
    assert np.array_equal(heard(bench), line.sound())


@pytest.mark.parametrize("packets", [40, 50, 80])
def test_a_burst_that_the_buffer_does_not_hold_loses_no_more_than_that(
    bench: Bench, packets: int
) -> None:
    line = burst(packets)
    report, sound = line.run(bench), line.sound()
    got, frames = heard(bench), sound.reshape(-1, 160)
    assert report.late <= packets - 36 + 5
    assert len(got) == len(sound) - 160 * report.late
    assert np.array_equal(got[: 160 * 85], sound[: 160 * 85])
    assert np.array_equal(got[-160 * 95 :], frames[-95:].ravel())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_run_of_losses_takes_nothing_else_with_it(bench: Bench, count: int) -> None:
    line = Line(160, steady(60), lost=frozenset(range(20, 20 + count)))
    assert line.run(bench).lost == count
    assert len(heard(bench)) == (60 - count) * 160


def test_a_hole_on_a_jittery_line_does_not_empty_the_buffer(bench: Bench) -> None:
    """Patience above the starvation limit: packets that wait behind the hole are kept."""
    delays = tuple(np.random.default_rng(2).integers(0, 75, 400).tolist())
    line = Line(160, delays, lost=frozenset(range(30, 400, 50)))
    report = line.run(bench)
    assert report.jitter_ms > 20
    assert len(heard(bench)) >= (392 - report.late) * 160


def test_packets_of_60_ms_with_some_jitter_make_no_silence(bench: Bench) -> None:
    delays = tuple(np.random.default_rng(1).integers(17, 23, 50).tolist())
    Line(480, delays).run(bench)
    assert all(bench.real()[:140])


def test_the_recording_of_a_jittery_line_is_what_was_spoken(bench: Bench) -> None:
    delays = tuple(np.random.default_rng(4).integers(0, 15, 200).tolist())
    line = Line(160, delays)
    assert line.run(bench).late == 0
    left = recorded(bench)
    begin = int(np.flatnonzero(left)[0])
    assert np.array_equal(left[begin : begin + 200 * 160], line.sound())


def test_a_burst_after_a_stall_is_recorded_where_it_was_spoken(bench: Bench) -> None:
    delays = [*steady(10), *(20 * (12 - number) for number in range(12)), *steady(78)]
    line = Line(160, tuple(delays))
    line.run(bench)
    left = recorded(bench)
    begin = int(np.flatnonzero(left)[0])
    assert np.array_equal(left[begin : begin + 100 * 160], line.sound())


@pytest.mark.parametrize("pause_ms", [37, 400, 3_000])
def test_after_a_pause_the_recording_goes_on_when_the_caller_does(
    bench: Bench, pause_ms: int
) -> None:
    line = Line(160, steady(100), pause=(50, pause_ms))
    line.run(bench)
    left, sound = recorded(bench), line.sound()
    begin = int(np.flatnonzero(left)[0])
    again = begin + 8_000 + FADE + 8 * pause_ms
    rest = sound[8_000 + FADE :]
    slack = 80  # samples: media time is kept in steps of 10 ms
    near = left[again - slack : again + len(rest)]
    assert (np.lib.stride_tricks.sliding_window_view(near, len(rest)) == rest).all(axis=1).any()


def test_the_round_trip_ends_when_the_report_came_not_at_the_tick(bench: Bench) -> None:
    caller = bench.open()
    bench.ticks(400)
    [first, *_] = rtcp.parse(bench.control["a"][0])
    assert isinstance(first, rtcp.SenderReport)
    arrival = bench.now + 0.020 - 0.015 + WALL_OFFSET
    sent = rtcp.ntp_time(arrival - 0.23) >> 16 & 0xFFFF_FFFF
    block = rtcp.ReportBlock(first.ssrc, 0, 0, 0, 0, sent, round(0.2 * 65_536))
    bench.tick((caller, rtcp.build([rtcp.ReceiverReport(77, (block,))])), delay=0.015)
    assert bench.close().report.round_trip_ms == pytest.approx(30, abs=1)


def test_a_packet_from_before_the_first_is_late_and_not_a_duplicate(bench: Bench) -> None:
    caller = bench.open()
    caller.sequence = 65_535
    early, first = caller.audio(noise(160)), caller.audio(noise(160))
    bench.tick((caller, first))
    bench.tick((caller, early))
    report = bench.close().report
    assert (report.duplicates, report.late) == (0, 1)
