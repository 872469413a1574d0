"""What hours of calls leave behind in the media engine: memory, descriptors, ports.

    .venv/bin/python -m bench.endurance [--calls 200] [--minutes 30]
    .venv/bin/python -m bench.endurance --virtual [--calls 20] [--hours 2]

Calls come in pairs that send one another speech, record, and end after 10 to 60 s, when a new pair
takes their place. With a clock of its own the engine runs without sockets, as fast as it can.
Prints a line each minute, and fails if the second half of the time needed more than the first.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from aywa.base.ids import SeededEntropy
from aywa.media import plane
from aywa.media.datagrams import Datagrams, Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.io.client import MediaPlane
from aywa.media.io.spawn import spawn_media_process
from aywa.media.io.stream import MediaStream
from aywa.media.sdp import Negotiated
from bench import rig
from bench.subjects import speech

SHORTEST_S, LONGEST_S = 10.0, 60.0
PORTS = (20_000, 31_999)
TICK_S = 0.02
GROWTH = 1.02
"""How much more memory the second half may need than the first."""


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@dataclass
class Samples:
    """What was seen each minute."""

    resident_kib: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    calls: int = 0

    def take(self, pid: int, at_s: float, streams: int) -> None:
        self.resident_kib.append(rig.resident_kib(pid))
        self.descriptors.append(descriptors(pid))
        print(
            f"{at_s / 60:6.1f} min  {self.resident_kib[-1] / 1024:7.1f} MiB  "
            f"{self.descriptors[-1]:5} descriptors  {streams} streams  {self.calls} calls so far",
            flush=True,
        )

    def flat(self) -> bool:
        """Whether the second half needed no more than the first; the first minute is no measure."""
        half = len(self.resident_kib) // 2
        early, late = self.resident_kib[1:half], self.resident_kib[half:]
        return bool(early) and max(late) <= GROWTH * max(early)


@dataclass
class Pair:
    """Two streams that hear one another."""

    names: tuple[str, str]
    until_s: float
    streams: list[MediaStream] = field(default_factory=list)


def lives(random: Random) -> Iterator[float]:
    """How long one pair after the other lives, in seconds."""
    while True:
        yield random.uniform(SHORTEST_S, LONGEST_S)


async def real(calls: int, minutes: float) -> bool:
    """On real sockets, in a media process."""
    media = await spawn_media_process(ports=PORTS, capacity=calls + 2, on_fault=print)
    assert media.pid is not None
    sound, random, samples = speech(int(LONGEST_S) + 1), Random(1), Samples()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        at_rest = descriptors(media.pid)
        tasks = [
            asyncio.create_task(
                _keep_calling(media, f"{number}", Path(folder), sound, random, samples)
            )
            for number in range(calls // 2)
        ]
        while time.monotonic() - begin < 60 * minutes:
            await asyncio.sleep(60)
            samples.take(media.pid, time.monotonic() - begin, media.held)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left = descriptors(media.pid)
    print(
        f"descriptors at rest: {at_rest} before, {left} after; late ticks {media.load.late_ticks}"
    )
    await media.close()
    return samples.flat() and left == at_rest


async def _keep_calling(
    media: MediaPlane,
    name: str,
    folder: Path,
    sound: np.ndarray,
    random: Random,
    samples: Samples,
) -> None:
    for number, life_s in enumerate(lives(random)):
        pair: list[MediaStream] = []
        try:
            for side in "ab":
                own = folder / f"{name}{side}"
                own.mkdir(exist_ok=True)
                stream = f"{name}-{number}{side}"
                pair.append(
                    await media.open(
                        stream, "127.0.0.1", on_event=_discard, folder=str(own), record=True
                    )
                )
            for one, other in (pair, pair[::-1]):
                far = other.port
                one.configure(Negotiated("127.0.0.1", far, far + 1, "pcmu", 0, 101, "sendrecv"))
                one.play(1, sound)
            samples.calls += 2
            await asyncio.sleep(life_s)
        finally:
            for one in pair:
                await one.close()


def _discard(event: plane.Event) -> None:
    """Nobody listens."""


@dataclass
class Virtual:
    """An engine whose streams' packets go straight to one another."""

    calls: int
    engine: Engine = field(init=False)
    now: float = 100.0
    numbers: int = 0

    def __post_init__(self) -> None:
        certificate = Certificate.fresh(0.0)
        self.engine = Engine(
            capacity=self.calls + 2, entropy=SeededEntropy(1), certificate=certificate
        )
        self.sound = speech(int(LONGEST_S) + 1)
        self.piece: dict[str, int] = {}

    def open(self, random: Random) -> Pair:
        """A new pair of streams."""
        self.numbers += 2
        names = (f"call-{self.numbers}", f"call-{self.numbers + 1}")
        pair = Pair(names, self.now + next(lives(random)))
        for name in names:
            opening = plane.OpenStream(name, "127.0.0.1", "folder", record=True)
            self.engine.open(opening, self._port(name), self.now)
        for name, far in (names, names[::-1]):
            where = self._port(far)
            configured = plane.ConfigureStream(name, "127.0.0.1", where, where + 1, "pcmu", 0, 101)
            self.engine.handle(configured, self.now, self.now)
            self.piece[name] = 0
        return pair

    def close(self, pair: Pair) -> None:
        """End both streams."""
        for name in pair.names:
            self.engine.handle(plane.CloseStream(name), self.now, self.now)
            del self.piece[name]

    def tick(self, received: Received) -> Received:
        """One tick; gives what arrives in the next one."""
        self.now += TICK_S
        for name, place in self.piece.items():
            self.engine.handle(
                plane.Play(name, 1, self.sound[place : place + 160]), self.now, self.now
            )
            self.piece[name] = (place + 160) % (len(self.sound) - 160)
        output = self.engine.tick(self.now, self.now, received)
        return self._carried(output.packets)

    def _port(self, name: str) -> int:
        return 1_024 + 2 * (int(name.partition("-")[2]) % 30_000)

    def _carried(self, batches: list[Datagrams]) -> Received:
        home = {
            row: self.engine.book.number("127.0.0.1", self._port(name))
            for name, row in self.engine.table.streams.items()
        }
        rows = {number: row for row, number in home.items()}
        parts = []
        for batch in batches:
            if batch.control or not len(batch.row):
                continue
            part = Received.allocate(len(batch.row))
            part.data[:, : batch.data.shape[1]] = batch.data
            part.length[:], part.stamp[:] = batch.length, self.now
            part.row[:] = [rows.get(number, -1) for number in batch.destination.tolist()]
            part.source[:] = [home[row] for row in batch.row.tolist()]
            parts.append(part.select(np.flatnonzero(part.row >= 0)))
        return _joined(parts)


def _joined(parts: list[Received]) -> Received:
    if not parts:
        return Received.allocate(0)
    columns = zip(
        *(
            (part.data, part.length, part.row, part.source, part.stamp, part.control)
            for part in parts
        ),
        strict=True,
    )
    return Received(*(np.concatenate(column) for column in columns))


def virtual(calls: int, hours: float, pid: int) -> bool:
    """On a clock of its own, in this process."""
    random, samples, bench = Random(1), Samples(), Virtual(calls)
    pairs = [bench.open(random) for _ in range(calls // 2)]
    received = Received.allocate(0)
    ticks = round(hours * 3600 / TICK_S)
    for number in range(1, ticks + 1):
        received = bench.tick(received)
        for index, pair in enumerate(pairs):
            if bench.now >= pair.until_s:
                bench.close(pair)
                pairs[index] = bench.open(random)
                samples.calls += 2
        if number % (ticks // 24) == 0:
            samples.take(pid, number * TICK_S, len(bench.engine.table.streams))
    return samples.flat()


def main() -> int:
    """Entry; gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--virtual", action="store_true", help="on a clock of its own")
    parser.add_argument("--hours", type=float, default=2)
    options = parser.parse_args()
    if options.virtual:
        good = virtual(options.calls or 20, options.hours, os.getpid())
    else:
        good = asyncio.run(real(options.calls or 200, options.minutes))
    print("flat" if good else "not flat")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
