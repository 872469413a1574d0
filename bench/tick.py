"""What one tick of the media engine costs, without sockets: µs per stream.

The baseline, measured in the same run, is what no engine can leave out: reading the headers of the
received packets, decoding and encoding, over all streams at once.
`--stages` tells the own time of each stage instead.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from aywa.base.ids import SeededEntropy
from aywa.codecs import g711
from aywa.media import plane
from aywa.media.capture import Capture
from aywa.media.concealment import Concealment
from aywa.media.datagrams import Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.feed import PlayoutFeed
from aywa.media.hearing import Hearing
from aywa.media.intake import Intake
from aywa.media.io import wire
from aywa.media.jitter import JitterBuffer
from aywa.media.peers import Peers
from aywa.media.playout import Playout
from aywa.media.quality import Reception
from aywa.media.recorder import Recorder
from aywa.media.rtp import columns
from aywa.media.sender import Sender
from aywa.media.speaking import Speaking
from aywa.media.speech_gate import SpeechGate

TICKS = 250
WARM = 75
STREAMS = (50, 200, 400, 1000)
LOUD, QUIET = 8_000, 20
TALK_TICKS = 100
"""Of a turn; caller and assistant take turns, each stream at its own time."""
OPENED_WITHIN_S = 0.4
"""Not all places in the rings shall be the same."""
LOST, DELAYED = 0.005, 0.03
"""Shares of packets on a rough line: those that never come, those that come a tick late."""


class Load:
    """Streams in conversation: heard, judged, recorded and spoken, each in its own turn."""

    def __init__(self, streams: int, options: argparse.Namespace) -> None:
        self.now, self.wall = 100.0, 1.7e9
        self.engine = Engine(
            capacity=streams, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0)
        )
        self.rng = np.random.default_rng(1)
        self.loud, self.rough = options.loud, options.rough
        self.codes = [self._octets(QUIET), self._octets(LOUD)]
        self.sound = np.tile(g711.decode(self.codes[1], "pcmu"), TALK_TICKS)
        self.batch, self.late = Received.allocate(2 * streams), np.empty(0, np.int64)
        self.batch.data[:] = 0
        self.row, self.source = np.zeros(streams, np.int64), np.zeros(streams, np.int64)
        self.names = [f"call-{number:08d}" for number in range(streams)]
        self.feeds = {name: PlayoutFeed(name) for name in self.names}
        self.told: list[plane.Told] = []
        self.capture = options.capture
        self.ticks = 0
        self.commanded_s = 0.0

    def open_all(self) -> None:
        for number in range(len(self.row)):
            self._open(number, self.now - OPENED_WITHIN_S * number / len(self.row))

    def _octets(self, amplitude: int) -> np.ndarray:
        noise = self.rng.integers(-amplitude, amplitude, 160).astype(np.int16)
        return g711.encode(noise, "pcmu")

    def _open(self, number: int, now: float) -> None:
        name, port = self.names[number], 40_000 + 2 * number % 20_000
        command = plane.OpenStream(name, "127.0.0.1", "folder", record=True, capture=self.capture)
        self.row[number] = self.engine.open(command, 20_000 + 2 * number, now)
        settings = plane.ConfigureStream(name, "127.0.0.1", port, port + 1, "pcmu", 0, 101)
        self.engine.handle(settings, self.now, self.wall)
        self.source[number] = self.engine.book.number("127.0.0.1", port)

    def prepare(self) -> Received:
        """What comes in for the next tick, and what is played in it."""
        self.ticks += 1
        self.now += 0.02
        self.wall += 0.02
        self._feed()
        streams = np.arange(len(self.row))
        place = self.ticks + streams * 37 % (2 * TALK_TICKS)
        for one in np.flatnonzero(place % (2 * TALK_TICKS) == TALK_TICKS).tolist():
            feed, turn = self.feeds[self.names[one]], int(place[one]) // (2 * TALK_TICKS) + 1
            self._carry_out([*feed.play(turn, self.sound), *feed.end(turn)])
        talks = (place % (2 * TALK_TICKS) < TALK_TICKS) | self.loud
        if not self.rough:
            return self._filled(streams, talks, np.full(len(streams), self.ticks))
        luck = self.rng.random(len(streams))
        late, self.late = self.late, streams[luck < DELAYED]
        come = np.concatenate([late, streams[luck > DELAYED + LOST]])
        sequence = self.ticks - (np.arange(len(come)) < len(late))
        return self._filled(come, talks, sequence)

    def _feed(self) -> None:
        """What the control process does with what it is told."""
        for event in self.told:
            if isinstance(event, plane.Room | plane.Played):
                feed = self.feeds[event.stream]
                self._carry_out(feed.played(event.generation, event.samples))
        self.told = []

    def _carry_out(self, commands: list[plane.Command]) -> None:
        begin = time.process_time()
        for command in commands:
            self.engine.handle(command, self.now, self.wall)
        self.commanded_s += time.process_time() - begin

    def _filled(self, come: np.ndarray, talks: np.ndarray, sequence: np.ndarray) -> Received:
        batch = self.batch.head(len(come))
        batch.row[:], batch.source[:] = self.row[come], self.source[come]
        batch.length[:], batch.control[:] = 172, False
        batch.stamp[:] = self.wall - 0.005
        batch.data[:, 12:172] = np.where(talks[come][:, None], self.codes[1], self.codes[0])
        columns.write_headers(
            batch.data,
            np.zeros(len(come), np.int64),
            np.zeros(len(come), np.bool_),
            sequence & 0xFFFF,
            160 * sequence,
            come + 7,
        )
        return batch

    def tick(self, received: Received) -> Any:
        output = self.engine.tick(self.now, self.wall, received)
        self.told = output.events
        return output

    def baseline(self, received: Received) -> None:
        columns.parse(received.data, received.length)
        pcm = g711.decode(received.data[:, 12:172], "pcmu")
        g711.encode(pcm, "pcmu")


STAGES: tuple[tuple[type, str, str], ...] = (
    (Engine, "tick", "tick itself"),
    (Engine, "_receive", "receive: split"),
    (Intake, "receive", "receive: headers, judge"),
    (Peers, "learn", "receive: peers"),
    (Reception, "note", "receive: sequence"),
    (Reception, "measure", "receive: jitter measured"),
    (JitterBuffer, "write", "jitter ring: write"),
    (Hearing, "hear", "hear: gather"),
    (JitterBuffer, "frames", "jitter ring: read"),
    (JitterBuffer, "silence", "jitter ring: silence"),
    (Hearing, "_sound", "decode"),
    (Concealment, "remember", "concealment: remember"),
    (Concealment, "conceal", "concealment: conceal"),
    (Hearing, "_keys", "tones"),
    (SpeechGate, "judge", "speech gate"),
    (Recorder, "heard", "record: heard"),
    (Recorder, "sent", "record: sent"),
    (Recorder, "_cut_out", "record: blocks"),
    (Engine, "_send", "send: build"),
    (Speaking, "speak", "speak"),
    (Playout, "frame", "playout"),
    (Sender, "packets_of", "encode, RTP"),
    (Capture, "packets", "capture"),
    (Engine, "_report", "RTCP"),
    (Engine, "_silences", "silences"),
)


class Stages:
    """Own time of the engine's stages: the time in a stage less that in stages it calls."""

    def __init__(self) -> None:
        self.seconds = {stage: 0.0 for _, _, stage in STAGES}
        self._inner = [0.0]
        for owner, method, stage in STAGES:
            setattr(owner, method, self._timed(getattr(owner, method), stage))

    def _timed(self, work: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            begin = time.thread_time()
            try:
                return work(*args, **named)
            finally:
                spent = time.thread_time() - begin
                self.seconds[stage] += spent - self._inner.pop()
                self._inner[-1] += spent

        return timed


def cost(load: Load, work: Callable[[Received], object]) -> tuple[float, float]:
    """ms of CPU that a tick takes, and the longest one takes, in the best of five stretches."""
    mean = longest = float("inf")
    for _ in range(5):
        spent = []
        for _ in range(TICKS // 5):
            received = load.prepare()
            begin = time.process_time()
            work(received)
            spent.append((time.process_time() - begin) * 1e3)
        mean, longest = min(mean, sum(spent) / len(spent)), min(longest, max(spent))
    return mean, longest


def warm(streams: int, options: argparse.Namespace) -> Load:
    load = Load(streams, options)
    load.open_all()
    for _ in range(WARM):
        load.tick(load.prepare())
    return load


def totals(options: argparse.Namespace) -> None:
    """Cost of a tick, and of handing its events to the control process as one message."""
    print("streams  µs/stream/tick  ms/tick  longest  × baseline  pack µs  unpack, split µs")
    for streams in options.streams:
        load = warm(streams, options)
        (mean, longest), (floor, _) = cost(load, load.tick), cost(load, load.baseline)
        there, here = crossing([load.tick(load.prepare()).events for _ in range(20)], streams)
        print(
            f"{streams:7} {mean / streams * 1e3:15.2f} {mean:8.2f} {longest:8.2f}"
            f"{mean / floor:12.1f} {there:9.2f} {here:13.2f}"
        )


def crossing(ticks: list[list[plane.Told]], streams: int) -> tuple[float, float]:
    """µs per stream of writing a tick's events for the control process, and of reading them."""
    unpacker, share = wire.Unpacker(), 1e6 / len(ticks) / streams
    begin = time.process_time()
    messages = [wire.pack(events) for events in ticks]
    middle = time.process_time()
    for message in messages:
        for event in unpacker.feed(message):
            list(event.each() if isinstance(event, plane.HeardBatch) else [event])
    end = time.process_time()
    return (middle - begin) * share, (end - middle) * share


def stages(options: argparse.Namespace) -> None:
    columns_, timed = [], Stages()
    for streams in options.streams:
        load = warm(streams, options)
        timed.seconds = dict.fromkeys(timed.seconds, 0.0)
        for _ in range(TICKS):
            received = load.prepare()
            load.tick(received)
        columns_.append({k: v / TICKS / streams * 1e6 for k, v in timed.seconds.items()})
    print(f"{'µs/stream/tick at':26}" + "".join(f"{streams:8}" for streams in options.streams))
    for stage in sorted(columns_[0], key=lambda stage: -columns_[-1][stage]):
        print(f"{stage:26}" + "".join(f"{column[stage]:8.2f}" for column in columns_))
    print(f"{'all':26}" + "".join(f"{sum(column.values()):8.2f}" for column in columns_))


def profile(options: argparse.Namespace) -> None:
    load = warm(options.streams[0], options)
    profiler = cProfile.Profile()
    for _ in range(TICKS):
        received = load.prepare()
        profiler.enable()
        load.tick(received)
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--loud", action="store_true", help="every caller talks all the time")
    parser.add_argument("--rough", action="store_true", help="packets are lost and delayed")
    parser.add_argument("--capture", action="store_true", help="packets are captured")
    parser.add_argument("--stages", action="store_true", help="own time of each stage")
    parser.add_argument("--profile", action="store_true", help="where it goes, by function")
    options = parser.parse_args()
    (stages if options.stages else profile if options.profile else totals)(options)


if __name__ == "__main__":
    main()
