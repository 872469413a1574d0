"""Recordings of many streams: written in turns, so that no tick is long, and nothing is missing."""

import numpy as np
import pytest

from aywa.media import plane
from aywa.media.engine import Output
from aywa.media.recorder import TURNS

from .conftest import TICK_S, Bench, noise

STREAMS = 6 * TURNS
TICKS = 240


class Crowd(Bench):
    """Counts what is written in each tick."""

    def begin(self) -> None:
        self.blocks: list[int] = []
        for number in range(STREAMS):
            self.open(str(number), files=True)
            self.play(sound(number), stream=str(number))

    def _keep(self, output: Output) -> list[plane.Event]:
        self.blocks.append(sum(block.artifact == "recording" for block in output.blocks))
        return super()._keep(output)

    def assistant(self, number: int) -> np.ndarray:
        recorded = np.frombuffer(self.files[str(number), "recording"], "<i2")
        return recorded.reshape(-1, 2)[:, 1]


def sound(number: int) -> np.ndarray:
    return noise(160 * TICKS, number)


def test_streams_that_began_together_are_written_in_turns_and_whole() -> None:
    crowd = Crowd()
    crowd.begin()
    crowd.ticks(TICKS)
    crowd.ticks(TURNS)
    written = [count for count in crowd.blocks if count]
    assert set(written) == {6}
    assert len(written) > TICKS - 20
    for number in range(STREAMS):
        crowd.close(str(number))
        assert np.array_equal(crowd.assistant(number)[160 : 160 * (TICKS + 1)], sound(number))


def test_after_a_stall_of_the_process_nothing_that_follows_is_missing() -> None:
    crowd = Crowd()
    crowd.begin()
    crowd.ticks(70)
    stall = 50
    crowd.now += stall * TICK_S
    crowd.ticks(100)
    for number in range(STREAMS):
        crowd.close(str(number))
        after = crowd.assistant(number)[160 * (73 + stall) : 160 * (170 + stall)]
        assert np.array_equal(after, sound(number)[160 * 72 : 160 * 169])


@pytest.mark.parametrize("phase", range(TURNS))
def test_a_burst_after_a_stall_of_the_line_is_recorded_where_it_was_spoken(phase: int) -> None:
    """A quarter of a second, whenever the row has its turn."""
    bench = Bench()
    bench.ticks(phase)
    caller, spoken = bench.open(files=True), noise(160 * 100)
    packets = [(caller, caller.audio(frame)) for frame in spoken.reshape(-1, 160)]
    for packet in packets[:40]:
        bench.tick(packet)
    bench.ticks(12)
    bench.tick(*packets[40:53])
    for packet in packets[53:]:
        bench.tick(packet)
    bench.ticks(3)
    bench.close()
    recorded = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 0]
    begin = int(np.flatnonzero(recorded)[0])
    assert np.array_equal(recorded[begin : begin + len(spoken)], spoken)


@pytest.mark.parametrize("phase", range(TURNS))
def test_a_first_packet_that_was_slow_costs_no_sound(phase: int) -> None:
    """All that follow come 60 ms ahead of it, less than moves the sender's clock."""
    bench = Bench()
    bench.ticks(phase)
    caller, spoken = bench.open(files=True), noise(160 * 60)
    packets = [(caller, caller.audio(frame)) for frame in spoken.reshape(-1, 160)]
    bench.tick(packets[0])
    bench.tick(*packets[1:5])
    for packet in packets[5:]:
        bench.tick(packet)
    bench.ticks(5)
    bench.close()
    recorded = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 0]
    begin = int(np.flatnonzero(recorded)[0])
    assert np.array_equal(recorded[begin : begin + len(spoken)], spoken)


@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("phase", range(TURNS))
def test_every_frame_is_kept_though_the_first_was_slow_and_our_clock_is_behind(
    phase: int, behind: int
) -> None:
    """Ticks that are left out, fewer than the clock of the recording makes up for."""
    bench = Bench()
    bench.ticks(phase)
    caller, spoken = bench.open(files=True), noise(160 * 60)
    packets = [(caller, caller.audio(frame)) for frame in spoken.reshape(-1, 160)]
    bench.tick(packets[0])
    bench.tick(*packets[1:5])
    bench.now += behind * TICK_S
    bench.tick(*packets[5 : 6 + behind])
    for packet in packets[6 + behind :]:
        bench.tick(packet)
    bench.ticks(behind + 5)
    bench.close()
    left = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 0].tobytes()
    frames = spoken.reshape(-1, 160)
    assert [n for n, frame in enumerate(frames) if frame.tobytes() not in left] == []


def test_the_first_packet_is_kept_though_the_second_came_sooner_after_it(bench: Bench) -> None:
    """Both came before the first tick that hears them; the fastest one tells the sender's clock."""
    bench.now += 0.014  # the stream is opened some time before the next tick
    caller, spoken = bench.open(files=True), noise(160 * 10)
    frames = [(caller, caller.audio(frame)) for frame in spoken.reshape(-1, 160)]
    bench.now -= 0.014
    bench.tick()
    bench.tick(*frames[:2], delay=0.002)
    for frame in frames[2:]:
        bench.tick(frame)
    bench.ticks(3)
    bench.close()
    left = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 0]
    assert spoken.tobytes() in left.tobytes()
