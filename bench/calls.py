"""What calls cost the media engine, as a ratio to the floor: a C program that does the bare work.

    .venv/bin/python -m bench.calls [--calls 400 1000] [--rounds 3] [--seconds 6]
    .venv/bin/python -m bench.calls --capture --command-noise
    .venv/bin/python -m bench.calls --find-limit
    .venv/bin/python -m bench.calls --flush 50 --calls 200
    .venv/bin/python -m bench.calls --stages

Needs a C compiler. docs/performance.md says how it is measured and what each figure means.
"""

import argparse
import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from aywa.media import MediaError
from bench import flush, rig
from bench.relay import Relay
from bench.rig import Figures, Plan, RigError
from bench.subjects import Engine, Floor
from tests.peers.places import Place

SETTLE_S = 1.5
LIMIT_FIRST, LIMIT_LAST = 100, 3_200
LIMIT_STEP = 0.05  # of the number found
LIMIT_TRIES = 2
SUBJECTS: dict[str, type[Floor] | type[Engine] | type[Relay]] = {
    "floor": Floor,
    "engine": Engine,
    "rtpengine": Relay,
}
PEERS = {"rtpengine": "rtpengine", "asterisk": "asterisk"}
"""Peers, and the programs that must be there to measure beside them."""

COLUMNS = (
    "calls",
    "subject",
    "µs of CPU per call-second",
    "× floor",
    "calls per core, by CPU",
    "of 50 packets/s",
    "pacing p50 ms",
    "p99 ms (worst round)",
    "p99.9 ms",
    "max ms",
    "lost",
    "missed",
    "KiB per call",
    "control, µs per call-second",
)


@contextmanager
def scratch(calls: int) -> Iterator[tuple[Path, int, int]]:
    """A folder in memory if there is one, and the first ports of the subject and the speakers."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        first, _ = Place(Path(folder)).free_range(4 * calls + 100)
        yield Path(folder), first, first + 2 * calls + 98


async def measured(name: str, plan: Plan) -> Figures:
    """One subject, once. Raises RigError."""
    with scratch(plan.calls) as (folder, first, peers):
        try:
            subject = await SUBJECTS[name].start(plan, first, peers, folder)
            return await rig.measure(subject, plan, peers)
        except MediaError as error:
            raise RigError(str(error)) from error


async def compare(plans: Sequence[Plan], rounds: int, peers: Sequence[str]) -> bool:
    """Print the table; False if anything was lost."""
    names = ["floor", "engine", *peers]
    figures: dict[tuple[int, str], list[Figures]] = {}
    for _ in range(rounds):
        for plan in plans:
            for name in names:
                figures.setdefault((plan.calls, name), []).append(await measured(name, plan))
    print(_line(*COLUMNS), _line(*("---" for _ in COLUMNS)), sep="\n")
    for (calls, name), some in figures.items():
        print(_row(calls, name, some, figures[calls, "floor"]))
    return all(one.whole for some in figures.values() for one in some)


def _peers() -> list[str]:
    there = []
    for name, program in PEERS.items():
        if name in SUBJECTS and shutil.which(program):
            there.append(name)
        else:
            why = "is not installed" if name in SUBJECTS else "is not driven by this benchmark"
            print(f"peer not measured: {program} {why}")
    return there


def _row(calls: int, name: str, some: list[Figures], floor: list[Figures]) -> str:
    cost = [one.cpu_us for one in some]
    ratio = [one.cpu_us / other.cpu_us for one, other in zip(some, floor, strict=True)]
    rate = median(one.rate for one in some)
    missed = [one.missed for one in some if one.missed is not None]
    return _line(
        str(calls),
        name,
        _spread(cost, ".0f"),
        _spread(ratio, ".2f") + ("" if rate > rig.RATE_KEPT else ", not carried"),
        f"{1e6 / median(cost):.0f}",
        f"{rate:.3f}",
        f"{_pacing(some, 'p50'):.2f}",
        f"{_pacing(some, 'p99'):.2f} ({max(one.p99_ms for one in some):.2f})",
        f"{_pacing(some, 'p99.9'):.2f}",
        f"{_pacing(some, 'max'):.2f}",
        str(sum(one.load["lost"] for one in some)),
        str(sum(missed)) if missed else "—",
        f"{median(one.kib for one in some):.0f}",
        f"{median(one.control_us for one in some):.0f}",
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(values: list[float], form: str) -> str:
    low, high = min(values), max(values)
    return f"{median(values):{form}} ({low:{form}}–{high:{form}})"


def _pacing(some: list[Figures], share: str) -> float:
    return median(float(one.load["pacing_ms"][share]) for one in some)


async def find_limit(name: str, plan: Callable[[int], Plan]) -> int:
    """The most calls with even pacing and nothing lost, to within 5 %."""
    low, high = 0, LIMIT_FIRST
    while high <= LIMIT_LAST and await _carried(name, plan(high)):
        low, high = high, 2 * high
    if high > LIMIT_LAST:
        return low
    while high - low > max(LIMIT_STEP * low, 1):
        middle = (low + high) // 2
        if await _carried(name, plan(middle)):
            low = middle
        else:
            high = middle
    return low


async def _carried(name: str, plan: Plan) -> bool:
    """Whether so many calls are carried well; a stall of the machine is given another chance."""
    for _ in range(LIMIT_TRIES):
        try:
            one = await measured(name, plan)
        except RigError as error:
            print(f"  {plan.calls:5} calls: {error}")
            continue
        print(
            f"  {plan.calls:5} calls: p99 {one.p99_ms:.2f} ms, lost {one.load['lost']}, "
            f"{one.rate:.3f} of 50 packets/s, {one.cpu_us * plan.calls / 1e6:.2f} of a core, "
            f"the load's own lateness p99 {one.load['own_lateness_p99_ms']:.2f} ms: "
            f"{'carried' if one.even else 'too many'}"
        )
        if one.even:
            return True
    return False


async def run(options: argparse.Namespace) -> bool:
    """Do what was asked; False if the result is bad."""

    def plan(calls: int) -> Plan:
        return Plan(calls, SETTLE_S, options.seconds, options.capture, options.command_noise)

    logging.getLogger("aywa").setLevel(logging.CRITICAL)  # an engine overloaded is told of below
    rig.build()
    rig.prepare()
    print(
        f"{os.cpu_count()} processors, {_loaded()}; windows of {options.seconds:g} s; recording"
        f"{', capture' if options.capture else ''}{', command noise' if plan(1).noise else ''}"
    )
    if options.find_limit:
        for name in ("engine", "floor"):
            print(name)
            most = await find_limit(name, plan)
            print(f"{name}: {most} calls with p99 pacing ≤ {rig.EVEN_P99_MS:.0f} ms and no loss")
        good = True
    elif options.flush:
        with scratch(options.calls[0] + 1) as (folder, first, peers):
            good = await flush.measure(plan(options.calls[0]), options.flush, first, peers, folder)
    else:
        plans = [plan(calls) for calls in options.calls]
        good = await compare(plans, options.rounds, _peers() if options.peers else [])
    print(f"at the end, {_loaded()}")
    return good


def _loaded() -> str:
    return f"load of the machine {' '.join(f'{one:.1f}' for one in os.getloadavg())}"


def main() -> int:
    """Entry; gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[400, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--capture", action="store_true", help="write a capture of each call too")
    parser.add_argument("--command-noise", action="store_true", help="keep the control side busy")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="only ours")
    parser.add_argument("--find-limit", action="store_true", help="the most calls carried well")
    parser.add_argument("--flush", type=int, default=0, metavar="N", help="time N flushes")
    parser.add_argument("--stages", action="store_true", help="what a tick is made of, no sockets")
    options = parser.parse_args()
    if options.stages:
        return subprocess.run([sys.executable, "-m", "bench.tick"], check=False).returncode
    try:
        return 0 if asyncio.run(run(options)) else 1
    except RigError as error:
        print(error)
        return 2


if __name__ == "__main__":
    sys.exit(main())
