"""How fast calls are taken in: SIPp calls an endpoint that answers every INVITE at once.

    .venv/bin/python -m bench.setup_rate [folder of a virtual environment with sippy]

The endpoint runs in a process of its own, on one core, with everything but media: sockets, parser,
transactions, dialogs, session timers; and then the whole runtime, unpinned, of which the control
process is counted. Times are SIPp's own, from its INVITE to the 100 and to the
200. CPU time is that of the endpoint's process. Beside it, where there is one, sippy's
`b2bua_simple`, which answers by calling a second SIPp: two legs a call.
"""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aywa.base.clock import SystemClock
from aywa.base.ids import SystemEntropy
from aywa.sip import UserAgentSettings
from aywa.sip.events import Invited, SipEvent
from aywa.sip.io.endpoint import SipEndpoint
from tests.peers.places import Place, Program
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.sipp import Sipp

ANSWER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 9 RTP/AVP 0\r\n"
)
ROOT = Path(__file__).resolve().parents[1]
RUNS = ((50, 10), (100, 20), (150, 10))
"""Calls a second, and for how many seconds."""
WHOLE_RUNS = ((20, 10), (50, 10))
"""The same for the whole runtime, where each call gets a port, a conversation and a document."""


async def serve(port: int) -> None:
    """Answer every call, for ever."""
    endpoint: SipEndpoint

    def take(event: SipEvent) -> None:
        if isinstance(event, Invited):
            endpoint.ring(event.leg)
            endpoint.answer(event.leg, ANSWER)

    endpoint = await SipEndpoint.start(
        "127.0.0.1",
        port,
        on_event=take,
        on_wire=lambda _: None,
        settings=UserAgentSettings("127.0.0.1", port, max_dialogs=5_000, max_transactions=50_000),
        clock=SystemClock(),
        entropy=SystemEntropy(),
    )
    await asyncio.Event().wait()


def cpu_seconds(program: Program) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{program.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def latencies(caller: Sipp) -> dict[str, list[float]]:
    """Milliseconds from each call's INVITE to its first 100 and its 200, by SIPp's own stamps."""
    sent: dict[str, float] = {}
    found: dict[str, list[float]] = {"100": [], "200": []}
    stamp = re.compile(r"-{20,} (\d{4}-\d\d-\d\d)[ \t](\d\d):(\d\d):(\d\d\.\d+)")
    for part in caller.messages.read_text(errors="replace").split("\n-----")[0:]:
        head = stamp.search("-----" + part)
        call = re.search(r"Call-ID: (\S+)", part)
        if not head or not call:
            continue
        at = int(head[2]) * 3600 + int(head[3]) * 60 + float(head[4])
        if "message sent" in part and "INVITE sip" in part:
            sent.setdefault(call[1], at)
        elif "CSeq: 1 INVITE" in part and (status := re.search(r"SIP/2.0 (100|200)", part)):
            found[status[1]].append((at - sent.get(call[1], at)) * 1000)
    return found


def measure(
    place: Place,
    program: Program,
    port: int,
    name: str,
    *,
    runs: Sequence[tuple[int, int]] = RUNS,
    number: str = "bench",
) -> None:
    """Call at each rate, and print."""
    for rate, seconds in runs:
        before = cpu_seconds(program)
        calls = rate * seconds
        caller = Sipp.start(
            place,
            "uac",
            f"127.0.0.1:{port}",
            calls=calls,
            extra=("-r", str(rate), "-l", "4000", "-d", "200", "-s", number),
            timeout_s=seconds + 60,
        )
        caller.finish(seconds + 70)
        used = (cpu_seconds(program) - before) / calls * 1000
        found = latencies(caller)
        shown = "  ".join(
            f"→{status} p50 {np.percentile(times, 50):.2f} p99 {np.percentile(times, 99):.2f} ms"
            for status, times in found.items()
            if times
        )
        print(f"  {name:22} {rate:4}/s × {seconds} s  {used:5.2f} ms CPU/call  {shown}", flush=True)


def main(others: Path | None) -> None:
    """Measure ours, and sippy's where there is one."""
    with tempfile.TemporaryDirectory() as folder, Place(Path(folder)) as place:
        port = place.free_port()
        pin = ["taskset", "-c", "0"]
        ours = [sys.executable, "-m", "bench.setup_rate", "serve", str(port)]
        program = place.start("ours", [*pin, *ours], cwd=ROOT)
        program.wait_listening("udp", port)
        measure(place, program, port, "ours")
        runtime = RuntimeProcess.start(
            place, max_calls=400, environ={"VOICE_PIPELINE_STT_ENABLED": "false"}
        )
        port, whole = runtime.sip_port, runtime.program
        measure(place, whole, port, "the whole runtime", runs=WHOLE_RUNS, number="demo")
        if others:
            back, front = place.free_port(), place.free_port()
            Sipp.start(place, "uas", calls=1_000_000, port=back, timeout_s=600)
            sippy = [str(others / "bin/b2bua_simple"), "-f", "-l", "127.0.0.1"]
            sippy += ["-p", str(front), "-n", f"127.0.0.1:{back}"]
            program = place.start("sippy", [*pin, *sippy])
            program.wait_listening("udp", front)
            measure(place, program, front, "sippy b2bua_simple")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        import uvloop

        uvloop.run(serve(int(sys.argv[2])))
    else:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
