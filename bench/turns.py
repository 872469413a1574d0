"""What the runtime itself adds to the time until an answer, on real SIP and RTP over loopback.

    .venv/bin/python -m bench.turns [turns] [callers]

Starts a runtime of its own with the offline providers. The callers talk at once, each one says a
line, hears the answer out and goes on. The parts of each turn come from the calls' documents
(`artifact.performanceMetrics.turnLatencies`); `runtimeLatency` is the runtime's own share.
"""

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from tests.peers import call_records as records
from tests.peers.interruption import spoken
from tests.peers.places import Place, wait_until
from tests.peers.raw_caller import QUIET, RawCaller
from tests.peers.runtime_process import RuntimeProcess

LINE = "no thank you"
PAUSE_S = 0.5
"""After so much silence the answer is over."""

Parts = dict[str, float]


def main(turns: int, callers: int) -> None:
    """Measure and print."""
    [line] = spoken(LINE)
    with tempfile.TemporaryDirectory() as folder, Place(Path(folder)) as place:
        runtime = RuntimeProcess.start(place)
        fields = {"firstMessageMode": "assistant-waits-for-user"}
        records.change_demo(runtime, fields)
        each = -(-turns // callers)
        with ThreadPoolExecutor(callers) as pool:
            jobs = [pool.submit(_converse, runtime, line, each) for _ in range(callers)]
            measured = [parts for job in jobs for parts in job.result()]
    print(f"{len(measured)} turns, {callers} calls at once, milliseconds")
    for name in measured[0]:
        p50, p99, most = np.percentile([parts[name] for parts in measured], (50, 99, 100))
        print(f"  {name:20} p50 {p50:8.1f}   p99 {p99:8.1f}   max {most:8.1f}")


def _converse(runtime: RuntimeProcess, line: list[bytes], turns: int) -> list[Parts]:
    with RawCaller(runtime.sip_address) as caller:
        call_id = caller.call().header("X-Call-Id") or ""
        records.wait_item(runtime, call_id, "peer-locked")
        for _ in range(turns):
            caller.voice.say(line)
            wait_until(partial(_answered, caller, time.time()), "an answer")
        caller.ask("BYE")
    document = records.wait_status(runtime, call_id, "ended")
    found: list[Parts] = document["artifact"]["performanceMetrics"]["turnLatencies"]
    return found


def _answered(caller: RawCaller, asked: float) -> bool:
    """Whether an answer has been heard since `asked`, and is over."""
    recent = caller.voice.received[-1000:]
    speech = [at for at, payload in recent if at > asked and payload != QUIET]
    return bool(speech) and recent[-1][0] - speech[-1] > PAUSE_S


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 120, int(words[1]) if len(words) > 1 else 4)
