"""Recordings of many streams: written in turns, so that no tick is long, and nothing is missing."""

import numpy as np

from aywa.media import plane
from aywa.media.engine import Output
from aywa.media.recorder import TURNS

from .conftest import TICK_S, Bench, noise

STREAMS = 40
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
    assert max(crowd.blocks) == STREAMS // TURNS
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
