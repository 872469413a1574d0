"""Resident memory of the media engine, KiB a call, without sockets and files.

A process of its own for each number of streams. Every stream is recorded, hears and is spoken to
for 15 s of virtual time; what the process holds then, less what it held before the streams were
opened, is theirs: columns, detectors, and the working memory of a tick.
`--columns` tells what each column declares, `--opening` what opening and closing take.
"""

import argparse
import gc
import multiprocessing
import time
from pathlib import Path

import numpy as np
from tick import Load

from aywa.base.ids import SeededEntropy
from aywa.media import plane
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.streams import Columns

TICKS = 750
STREAMS = (50, 400, 1000)
CALLS = 2_000
"""Opened and closed to tell what one takes."""


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("this system does not tell the resident memory of a process")


def driven(load: Load) -> Load:
    load.open_all()
    for _ in range(TICKS):
        load.tick(load.prepare())
    return load


def held(streams: int, options: argparse.Namespace) -> tuple[float, float]:
    """KiB a call: after opening, and after the streams heard and spoke."""
    driven(Load(2, options))  # what is loaded and made once is no stream's
    load = Load(streams, options)
    before = resident_kib()
    load.open_all()
    opened = resident_kib()
    for _ in range(TICKS):
        load.tick(load.prepare())
    return (opened - before) / streams, (resident_kib() - before) / streams


def totals(options: argparse.Namespace) -> None:
    print("streams  KiB/call opened  KiB/call after 15 s")
    for streams in options.streams:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            opened, talked = process.apply(held, (streams, options))
        print(f"{streams:7} {opened:16.1f} {talked:20.1f}")


def engine(capacity: int) -> Engine:
    return Engine(capacity=capacity, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0))


def columns(options: argparse.Namespace) -> None:
    """What a row takes in each column, in KiB, those first that take most."""
    kept = engine(16)
    stages = [one for one in gc.get_objects() if isinstance(one, Columns)]
    sizes = {
        f"{type(stage).__name__}.{name}": cells[0].nbytes / 1024
        for stage in stages
        for name, cells in vars(stage).items()
        if isinstance(cells, np.ndarray) and len(cells) == kept.table.capacity
    }
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{name:32}{size:10.3f}")
    print(f"{'all':32}{sum(sizes.values()):10.3f}")


def opening(options: argparse.Namespace) -> None:
    """µs that opening and closing a stream take, and the longest that opening one ever took."""
    one = engine(1_024)
    took: dict[str, list[float]] = {"open": [], "configure": [], "close": []}
    growing = []
    for number in range(1_024):
        begin = time.process_time()
        one.open(plane.OpenStream(f"held-{number}", "127.0.0.1", "f", record=True), 20_000, 0.0)
        growing.append(time.process_time() - begin)
    for number in range(1_024):
        one.handle(plane.CloseStream(f"held-{number}"), 0.0, 0.0)
    for number in range(CALLS):
        name = str(number)
        settings = plane.ConfigureStream(name, "127.0.0.1", 40_000, 40_001, "pcmu", 0, 101)
        begin = time.process_time()
        one.open(plane.OpenStream(name, "127.0.0.1", "f", record=True), 20_000, 0.0)
        opened = time.process_time()
        one.handle(settings, 0.0, 0.0)
        configured = time.process_time()
        one.handle(plane.CloseStream(name), 0.0, 0.0)
        closed = time.process_time()
        took["open"].append(opened - begin)
        took["configure"].append(configured - opened)
        took["close"].append(closed - configured)
    for name, seconds in took.items():
        print(f"{name:10}{np.median(seconds) * 1e6:8.1f} µs")
    print(f"longest opening of 1,024 beside one another: {max(growing) * 1e3:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--loud", action="store_true", help="every caller talks all the time")
    parser.add_argument("--rough", action="store_true", help="packets are lost and delayed")
    parser.add_argument("--capture", action="store_true", help="packets are captured")
    parser.add_argument("--columns", action="store_true", help="KiB a row of each column")
    parser.add_argument("--opening", action="store_true", help="µs to open and close a stream")
    options = parser.parse_args()
    (columns if options.columns else opening if options.opening else totals)(options)


if __name__ == "__main__":
    main()
