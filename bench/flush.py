"""How fast one call falls silent: from the command to flush until its last packet of speech.

The moment of the command is this process's, that of the packet the kernel's, both of the system
clock. The call is one of many: the others are under load.
"""

import asyncio
import socket
import struct
import time
from pathlib import Path

import numpy as np

from bench.rig import PATIENCE_S, Load, Plan
from bench.subjects import RATE, Engine, speech

LIMIT_MS = 20.0
SPEAKS_S, SILENT_S = 0.25, 0.10
SWEEP_S = 0.0013  # from flush to flush another place in the 20 ms
SO_TIMESTAMPNS = 35  # Linux, x86 and Arm
HEADER = 12
SILENCE = frozenset(b"\xff\x7f")  # µ-law, plus and minus zero

_TIMESPEC = struct.Struct("qq")


class Ear:
    """A peer's socket; tells when the last packet came that held sound."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", port))

    def last_sound(self) -> float | None:
        """Epoch seconds of the last packet with sound since the last call; None without any."""
        last = None
        while True:
            try:
                data, notes, _, _ = self._socket.recvmsg(2_048, socket.CMSG_SPACE(_TIMESPEC.size))
            except BlockingIOError:
                return last
            if not SILENCE.issuperset(data[HEADER:]):
                seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2])
                last = seconds + nanoseconds * 1e-9

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


async def measure(plan: Plan, times: int, first: int, peers: int, folder: Path) -> bool:
    """Print the distribution over `times` flushes; False if one took more than 20 ms."""
    seconds = times * (SPEAKS_S + SILENT_S + 20 * SWEEP_S) + 1
    plan = Plan(plan.calls, 1.0, seconds, plan.capture, plan.noise)
    engine = await Engine.start(plan, first, peers, folder)
    load = await Load.start(engine.ports, peers, plan.settle_s, seconds)
    try:
        await load.line(plan.settle_s + PATIENCE_S)
        tails = await _flushed(engine, times, peers + 2 * plan.calls, folder)
        await load.line(seconds + PATIENCE_S)
        said = await load.result(PATIENCE_S)
    finally:
        await load.stop()
        await engine.stop()
    p50, p90, p99, worst = np.percentile(tails, (50, 90, 99, 100))
    print(f"{len(tails)} flushes beside {plan.calls} calls, command to last packet of speech:")
    print(f"  p50 {p50:.2f}  p90 {p90:.2f}  p99 {p99:.2f}  max {worst:.2f} ms")
    print(f"  none came after the command: {tails.count(0.0)} of {len(tails)}")
    print(f"  pacing p99 of the others {said['pacing_ms']['p99']:.2f} ms, lost {said['lost']}")
    return bool(worst <= LIMIT_MS)


async def _flushed(engine: Engine, times: int, port: int, folder: Path) -> list[float]:
    """Milliseconds from each command to the last packet of sound; 0 if none came after it."""
    ear = Ear(port)
    own = folder / "flushed"
    own.mkdir()
    stream = await engine.open("flushed", port, own, capture=False)
    sound = np.maximum(np.abs(speech(4)), 1_000).astype(np.int16)[: 2 * RATE]  # never silent
    tails = []
    for generation in range(1, times + 1):
        stream.play(generation, sound)
        await asyncio.sleep(SPEAKS_S + generation * SWEEP_S % 0.02)
        if ear.last_sound() is None:
            raise AssertionError("the engine did not speak")
        at = time.time()
        stream.flush(generation)
        await asyncio.sleep(SILENT_S)
        last = ear.last_sound()
        tails.append(max(last - at, 0.0) * 1e3 if last else 0.0)
    ear.close()
    return tails
