"""What one tick of the media engine costs, without sockets: µs per stream, and as a ratio.

The baseline, measured in the same run, is what no engine can leave out: reading the headers of the
received packets, decoding and encoding, over all streams at once.
"""

import cProfile
import pstats
import sys
import time

import numpy as np

from aywa.base.ids import SeededEntropy
from aywa.codecs import g711
from aywa.media import plane
from aywa.media.datagrams import Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.rtp import columns

TICKS = 250
WARM = 50


class Load:
    """Streams that hear noise, speak, record and capture."""

    def __init__(self, streams: int) -> None:
        self.now, self.wall = 100.0, 1.7e9
        self.engine = Engine(
            capacity=streams, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0)
        )
        self.batch = Received.allocate(streams)
        noise = np.random.default_rng(1).integers(-8_000, 8_000, 160).astype(np.int16)
        self.octets = g711.encode(noise, "pcmu")
        for number in range(streams):
            name = f"s{number}"
            command = plane.OpenStream(name, "127.0.0.1", "folder", record=True, capture=True)
            row = self.engine.open(command, 20_000 + 2 * number, self.now)
            settings = plane.ConfigureStream(
                name, "127.0.0.1", 40_000 + 2 * number, 40_001 + 2 * number, "pcmu", 0, 101
            )
            self.engine.handle(settings, self.now, self.wall)
            self.batch.row[number] = row
            self.batch.source[number] = self.engine.book.number("127.0.0.1", 40_000 + 2 * number)
        self.batch.length[:] = 172
        self.batch.data[:, 12:172] = self.octets
        self.sequence = 0

    def tick(self) -> None:
        self.sequence += 1
        count = len(self.batch)
        ones = np.ones(count, np.int64)
        columns.write_headers(
            self.batch.data,
            ones * 0,
            ones == 0,
            ones * (self.sequence & 0xFFFF),
            ones * (160 * self.sequence),
            np.arange(count) + 7,
        )
        self.now += 0.02
        self.wall += 0.02
        self.batch.stamp[:] = self.wall - 0.005
        self.engine.tick(self.now, self.wall, self.batch)

    def baseline(self) -> None:
        columns.parse(self.batch.data, self.batch.length)
        pcm = g711.decode(self.batch.data[:, 12:172], "pcmu")
        g711.encode(pcm, "pcmu")


def cost(work: object, streams: int) -> float:
    """µs of CPU per stream and tick, the best of five stretches."""
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        for _ in range(TICKS // 5):
            work()  # type: ignore[operator]
        best = min(best, time.process_time() - begin)
    return best / (TICKS // 5) / streams * 1e6


def main() -> None:
    if "--profile" in sys.argv:
        load = Load(50)
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(TICKS):
            load.tick()
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        return
    print("streams  µs/stream/tick  ms/tick  × baseline")
    for streams in (1, 50, 200, 500):
        load = Load(streams)
        for _ in range(WARM):
            load.tick()
        engine, floor = cost(load.tick, streams), cost(load.baseline, streams)
        print(f"{streams:7} {engine:15.1f} {engine * streams / 1000:8.2f} {engine / floor:11.1f}")


if __name__ == "__main__":
    main()
