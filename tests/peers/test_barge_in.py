"""A caller who interrupts is not talked over."""

import pytest

from tests.peers import call_records as records
from tests.peers.interruption import interrupt_often
from tests.peers.places import Place
from tests.peers.runtime_process import RuntimeProcess

pytestmark = pytest.mark.peers

PACKET_MS = 20.0
CLOCK_READING_MS = 5.0
TIMES, AT_ONCE = 4, 4


@pytest.mark.parametrize(
    ("words_needed", "decision"),
    [(0, "assistant-paused"), (1, "interrupted")],
    ids=["voice pauses", "words stop"],
)
def test_not_a_packet_of_speech_leaves_after_the_next_tick(
    loopback: Place, words_needed: int, decision: str
) -> None:
    runtime = RuntimeProcess.start(loopback)
    records.change_demo(
        runtime,
        {
            "firstMessageMode": "assistant-waits-for-user",
            "stopSpeakingPlan": {"numWords": words_needed},
        },
    )
    measured = interrupt_often(runtime, decision, TIMES, AT_ONCE)
    tails = [one.tail_ms for one in measured]
    assert max(tails) <= PACKET_MS + CLOCK_READING_MS, tails
    assert min(tails) > -3 * PACKET_MS, tails  # it did talk until then
