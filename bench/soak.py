"""Whether many short calls leave anything behind: memory, descriptors, ports, dialogs, tasks.

    .venv/bin/python -m bench.soak [calls] [calls at once]

Starts a runtime of its own and lets SIPp make 500 calls of 2 s (or as many as asked), in two equal
rounds. What it holds is read from /metrics before the first call and after each round, once
everything had time to go: after the first round it is as large as it gets, so what the second adds
is a leak.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

from tests.peers.places import Place
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.sipp import Sipp

CALL_MS = 2_000
REST_S = 40.0
"""Longer than timers H and J (32 s), and than the 5 s that a freed port rests."""

HELD = (
    "runtime_calls_active",
    "runtime_sip_legs",
    "runtime_sip_transactions",
    "runtime_tasks",
    "process_open_fds",
    "process_resident_memory_bytes",
)


def held(runtime: RuntimeProcess) -> dict[str, float]:
    """What the runtime holds now, by the names in HELD."""
    text = runtime.request("GET", "/metrics").body.decode()
    found = {name: re.search(rf"^{name} (\S+)$", text, re.MULTILINE) for name in HELD}
    return {name: float(match[1]) for name, match in found.items() if match}


def round_of_calls(place: Place, runtime: RuntimeProcess, calls: int, at_once: int) -> None:
    """Make calls of 2 s. Raises PeerError unless every one was answered and ended well."""
    rate = max(1, at_once * 1000 // (CALL_MS + 500))
    patience = calls // rate + 60
    Sipp.start(
        place,
        "uac",
        f"{place.address}:{runtime.sip_port}",
        calls=calls,
        extra=("-s", "demo", "-d", str(CALL_MS), "-l", str(at_once), "-r", str(rate)),
        timeout_s=patience,
    ).finish(patience + 10)


def main(calls: int, at_once: int) -> None:
    """Measure and print."""
    silent = {"VOICE_PIPELINE_STT_ENABLED": "false"}
    with tempfile.TemporaryDirectory() as folder, Place(Path(folder)) as place:
        runtime = RuntimeProcess.start(place, max_calls=4 * at_once, environ=silent)
        rows = [held(runtime)]
        for _ in range(2):
            round_of_calls(place, runtime, calls // 2, at_once)
            time.sleep(REST_S)
            rows.append(held(runtime))
    print(f"{calls} calls of {CALL_MS / 1000:g} s, at most {at_once} at once")
    print(f"{'':32} {'before':>14} {'half':>14} {'all':>14}")
    for name in HELD:
        print(f"{name:32} " + " ".join(f"{row.get(name, float('nan')):14,.0f}" for row in rows))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(*(numbers + [500, 20][len(numbers) :]))
