"""How fast the runtime falls silent when a caller interrupts, on real SIP and RTP over loopback.

    .venv/bin/python -m bench.barge_in [interruptions]

Starts a runtime of its own. Four callers at once ask for the story and say "stop" while it is told.
For both ways to stop (voice alone pauses; words stop) the distribution of two times is printed:
from the runtime's decision to the last packet of speech, as the caller's kernel received it, and
from the caller's first packet of the word to that same packet.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.peers import call_records as records
from tests.peers.interruption import Interruption, interrupt_often
from tests.peers.places import Place
from tests.peers.runtime_process import RuntimeProcess

AT_ONCE = 4


def main(times: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, Place(Path(folder)) as place:
        runtime = RuntimeProcess.start(place)
        for words_needed, decision in ((0, "assistant-paused"), (1, "interrupted")):
            records.change_demo(
                runtime,
                {
                    "firstMessageMode": "assistant-waits-for-user",
                    "stopSpeakingPlan": {"numWords": words_needed},
                },
            )
            measured = interrupt_often(runtime, decision, times, AT_ONCE)
            print(f"numWords {words_needed}, {times} interruptions, decision: {decision}")
            _show("decision to last speech packet", [one.tail_ms for one in measured])
            _show("first packet of the word to there", [_whole(one) for one in measured])


def _whole(one: Interruption) -> float:
    return one.first_sound_to_silence_ms


def _show(name: str, values: list[float]) -> None:
    p0, p50, p90, p99, p100 = np.percentile(values, (0, 50, 90, 99, 100))
    print(
        f"  {name:34} min {p0:7.1f}  p50 {p50:7.1f}  p90 {p90:7.1f}"
        f"  p99 {p99:7.1f}  max {p100:7.1f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
