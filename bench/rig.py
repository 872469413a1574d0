"""The rig that `bench.calls` measures on: programs on processors of their own, and what they used.

A *subject* is whoever carries the calls: the media engine, the floor, or a peer. It runs on the
first processor, the load and this process on the second, if there are two; subject and load are
real-time where that is permitted.
"""

import asyncio
import contextlib
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "build" / "bench"
SOURCES = ("load", "floor")
PATIENCE_S = 30.0
LOAD_PRIORITY = 5
EVEN_P99_MS = 5.0
RATE_KEPT = 0.99  # the window may cut a packet of each call

_CPUS = sorted(os.sched_getaffinity(0))
SUBJECT_CPUS = {_CPUS[0]}
OTHER_CPUS = {_CPUS[1]} if len(_CPUS) > 1 else {_CPUS[0]}


class RigError(Exception):
    """Nothing can be measured; the message is a sentence for whoever runs it."""


class Subject(Protocol):
    """Whoever carries the calls."""

    pid: int
    ports: list[int]
    """Where each call's speaker sends to."""
    idle_kib: int
    """Resident memory before the first call."""

    async def stop(self) -> int | None:
        """End it; gives how many packets it missed, if it can say."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement."""

    calls: int
    settle_s: float
    seconds: float
    capture: bool = False
    noise: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement gave."""

    cpu_us: float
    """CPU of the subject for one call and second."""
    control_us: float
    """CPU of this process for one call and second."""
    kib: float
    """Resident memory for one call."""
    load: dict[str, Any]
    """What the load said."""
    missed: int | None
    """Packets that the subject did not get, by its own account."""

    @property
    def p99_ms(self) -> float:
        return float(self.load["pacing_ms"]["p99"])

    @property
    def rate(self) -> float:
        """Packets that came back, of the 50 a second that each call owes."""
        owed = self.load["speakers"] * 50 * self.load["seconds"]
        return float(self.load["received"] / owed)

    @property
    def whole(self) -> bool:
        """Every call was heard, and nothing was lost."""
        return bool(self.load["lost"] == self.load["silent"] == 0)

    @property
    def even(self) -> bool:
        """Every call was heard all the time, at an even pace."""
        return self.whole and self.rate > RATE_KEPT and self.p99_ms <= EVEN_P99_MS


def build() -> None:
    """Compile the programs whose sources are newer. Raises RigError."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RigError("the benchmark needs a C compiler: no program `cc` is installed")
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        source, program = ROOT / "bench" / f"{name}.c", BUILT / name
        newest = max(p.stat().st_mtime for p in (source, ROOT / "bench" / "rtp.h"))
        if program.exists() and program.stat().st_mtime > newest:
            continue
        command = [compiler, "-O2", "-std=gnu11", "-o", str(program), str(source), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"{source.name} cannot be compiled: {done.stderr.strip()}")


def prepare() -> None:
    """Leave the subjects' processor to them, and allow this process and its children many files."""
    os.sched_setaffinity(0, OTHER_CPUS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def subject_place() -> Iterator[None]:
    """What is started within the block runs where subjects run."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, SUBJECT_CPUS)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_priority(pid: int, policy: int, priority: int) -> None:
    """Put all threads of a process into a real-time class, or make them nicer, if permitted."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
        except OSError:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), -10)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, user's and system's, of all its threads.

    The same sum as utime and stime of /proc/PID/stat, whose hundredths of a second are too coarse:
    the kernel's clock of another process, as clock_getcpuclockid(3) makes its number.
    """
    return time.clock_gettime(~pid << 3 | 2)


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RigError(f"process {pid} has ended")


class Load:
    """The load program, speaking to every port of a subject."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, ports: list[int], base: int, settle_s: float, seconds: float) -> "Load":
        """Start to speak from ports `base`, `base` + 2, …"""
        process = await asyncio.create_subprocess_exec(
            *(str(BUILT / "load"), "127.0.0.1", str(base), str(settle_s), str(seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        os.sched_setaffinity(process.pid, OTHER_CPUS)
        raise_priority(process.pid, os.SCHED_FIFO, LOAD_PRIORITY)
        assert process.stdin is not None
        process.stdin.write("\n".join(map(str, ports)).encode())
        process.stdin.write_eof()
        return cls(process)

    async def line(self, within_s: float) -> str:
        """What it says next. Raises RigError."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within_s)
        except TimeoutError:
            line = b""
        if not line:
            raise RigError("the load ended early; its reason stands above")
        return line.decode().strip()

    async def result(self, within_s: float) -> dict[str, Any]:
        """Its figures, once it has ended."""
        figures: dict[str, Any] = json.loads(await self.line(within_s))
        await self._process.wait()
        return figures

    async def stop(self) -> None:
        """End it, if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def measure(subject: Subject, plan: Plan, base: int) -> Figures:
    """Load a subject and stop it. `base` is the first port of the speakers. Raises RigError."""
    load = await Load.start(subject.ports, base, plan.settle_s, plan.seconds)
    try:
        await load.line(plan.settle_s + PATIENCE_S)
        used, own, began = _used(subject), time.process_time(), time.monotonic()
        await load.line(plan.seconds + PATIENCE_S)
        used, own, seconds = (
            _used(subject) - used,
            time.process_time() - own,
            time.monotonic() - began,
        )
        kib = resident_kib(subject.pid) - subject.idle_kib
        said = await load.result(PATIENCE_S)
    finally:
        await load.stop()
        missed = await subject.stop()
    share = 1e6 / (plan.calls * seconds)
    return Figures(used * share, own * share, kib / plan.calls, said, missed)


def _used(subject: Subject) -> float:
    try:
        return cpu_seconds(subject.pid)
    except OSError as error:
        raise RigError(f"the subject, process {subject.pid}, has ended") from error
