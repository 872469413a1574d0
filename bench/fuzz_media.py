"""Whatever comes in, the media engine goes on: mutated packets and commands in any order.

    .venv/bin/python -m bench.fuzz_media [SECONDS] [SEED]

Drives an engine tick by tick on a clock of its own with broken RTP, RTCP and DTLS from right and
wrong addresses, and with commands that open, configure, play, bridge and close at random. Stops at
the first exception, and tells the seed that brings it about again.
"""

import sys
import time
from dataclasses import dataclass, field
from random import Random

import numpy as np

from aywa.base.ids import SeededEntropy
from aywa.media import plane
from aywa.media.datagrams import DATAGRAM_WIDTH, Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.rtp import rtcp
from aywa.media.rtp.packet import RtpPacket

STREAMS = 6
CODECS: tuple[plane.Codec, ...] = ("pcmu", "pcma")
DIRECTIONS: tuple[plane.Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
PTIMES = (10, 20, 30, 40, 60)


@dataclass
class Fuzzer:
    """One engine and what is done to it."""

    seed: int
    engine: Engine = field(init=False)
    now: float = 100.0
    packets: int = 0
    commands: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        certificate = Certificate.fresh(0.0)
        entropy = SeededEntropy(self.seed)
        self.engine = Engine(capacity=STREAMS, entropy=entropy, certificate=certificate)

    def step(self) -> None:
        """Some commands and a tick."""
        for _ in range(self.random.choice((0, 0, 1, 3))):
            self.commands += 1
            self._command()
        self.now += self.random.choice((0.02, 0.02, 0.02, 0.0, 0.3))
        batch = self._batch()
        self.packets += len(batch)
        output = self.engine.tick(self.now, self.now, batch)
        for sent in output.packets:
            if not (len(sent.row) == len(sent.length) == len(sent.destination)):
                raise AssertionError("a batch whose columns differ in length")
            if len(sent.length) and int(sent.length.max()) > DATAGRAM_WIDTH:
                raise AssertionError("a datagram longer than any that can be sent")

    # Commands ---------------------------------------------------------------------------------

    def _command(self) -> None:
        name = f"s{self.random.randrange(STREAMS)}"
        if name not in self.engine.table.streams:
            flags = {"record": self.random.random() < 0.5, "capture": self.random.random() < 0.5}
            opening = plane.OpenStream(name, "127.0.0.1", "folder", **flags)
            self.engine.open(opening, 20_000 + 2 * int(name[1:]), self.now)
            return
        self.engine.handle(self._about(name), self.now, self.now)

    def _about(self, name: str) -> plane.Command:
        pick, generation = self.random, self.random.randrange(4)
        sound = np.full(pick.randrange(0, 4_000), pick.randrange(-32_768, 32_768), np.int16)
        others = tuple({f"s{pick.randrange(STREAMS + 1)}" for _ in range(pick.randrange(4))})
        makers = (
            lambda: self._configured(name),
            lambda: self._configured(name),
            lambda: plane.Play(name, generation, sound),
            lambda: plane.Play(name, generation, sound),
            lambda: plane.EndPlay(name, generation),
            lambda: plane.Pause(name, generation),
            lambda: plane.Resume(name, generation, pick.randrange(-10, 100_000)),
            lambda: plane.Flush(name, generation),
            lambda: plane.SendDigits(
                name, "12*#", pick.randrange(400), in_band=pick.random() < 0.5
            ),
            lambda: plane.Mark(name, generation, pick.randrange(5_000), "mark"),
            lambda: plane.Bridge(name, others),
            lambda: plane.LeaveBridge(name),
            lambda: plane.Tap(name, pick.random() < 0.5),
            lambda: plane.Record(name, pick.random() < 0.5),
            lambda: plane.Measure(name),
            lambda: plane.ListenForTones(name, pick.random() < 0.5),
            lambda: plane.CloseStream(name),
        )
        return pick.choice(makers)()

    def _configured(self, name: str) -> plane.ConfigureStream:
        pick = self.random
        srtp = ("AES_CM_128_HMAC_SHA1_80", bytes(30), pick.randbytes(30))
        dtls = (pick.random() < 0.5, pick.randrange(3), (("sha-256", pick.randbytes(32)),))
        security = pick.random()
        codec = pick.choice(CODECS)
        return plane.ConfigureStream(
            name,
            pick.choice(("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1")),
            pick.choice((4_000, 0, 65_535)),
            4_001,
            codec,
            CODECS.index(codec) * 8,
            pick.choice((None, 101, 0)),
            pick.choice(DIRECTIONS),
            ptime_ms=pick.choice(PTIMES),
            comfort_noise_payload_type=pick.choice((None, 13)),
            rtcp_mux=pick.random() < 0.5,
            srtp=srtp if security < 0.2 else None,
            dtls=dtls if security > 0.8 else None,
        )

    # Packets ----------------------------------------------------------------------------------

    def _batch(self) -> Received:
        rows = list(self.engine.table.streams.values())
        count = self.random.choice((0, 1, 3, 30)) if rows else 0
        batch = Received.allocate(count)
        for place in range(count):
            data = self._datagram()
            batch.data[place, : len(data)] = np.frombuffer(data[:DATAGRAM_WIDTH], np.uint8)
            batch.length[place] = self.random.choice((len(data), len(data), 0, 2_000))
            batch.row[place] = self.random.choice(rows)
            host = self.random.choice(("127.0.0.1", "127.0.0.1", "203.0.113.9", "::1"))
            batch.source[place] = self.engine.book.number(host, self.random.choice((4_000, 4_001)))
            batch.control[place] = self.random.random() < 0.1
            batch.stamp[place] = self.now - self.random.choice((0.0, 0.01, 5.0, -1.0))
        return batch

    def _datagram(self) -> bytes:
        pick = self.random
        kind = pick.random()
        if kind < 0.6:
            payload = pick.randbytes(pick.choice((160, 160, 160, 80, 480, 4, 0, 1)))
            number = pick.choice((0, 0, 8, 13, 101, 77, 127))
            sequence = pick.choice((self.packets, self.packets, pick.getrandbits(16))) & 0xFFFF
            stamp = pick.choice((160 * self.packets, pick.getrandbits(32))) & 0xFFFF_FFFF
            data = bytes(
                RtpPacket(
                    payload_type=number,
                    sequence=sequence,
                    timestamp=stamp,
                    ssrc=pick.choice((7, 7, 7, pick.getrandbits(32))),
                    payload=payload,
                    marker=pick.random() < 0.1,
                )
            )
        elif kind < 0.75:
            block = rtcp.ReportBlock(7, 0, 0, 0, 0, pick.getrandbits(32), pick.getrandbits(32))
            data = rtcp.build([rtcp.ReceiverReport(7, (block,)), rtcp.Goodbye((7,))])
        elif kind < 0.9:
            data = bytes((pick.choice((20, 21, 22, 23)), 0xFE, 0xFD)) + pick.randbytes(60)
        else:
            data = pick.randbytes(pick.randrange(DATAGRAM_WIDTH))
        return self._spoiled(data)

    def _spoiled(self, data: bytes) -> bytes:
        spoiled = bytearray(data)
        while spoiled and self.random.random() < 0.3:
            spoiled[self.random.randrange(len(spoiled))] = self.random.getrandbits(8)
        return bytes(spoiled[: self.random.choice((len(spoiled), len(spoiled), 11))])


def run(seconds: float, seed: int) -> Fuzzer:
    """Fuzz for so long; gives the last fuzzer. Raises what the engine raised, with its seed."""
    end, steps, packets, longest = time.monotonic() + seconds, 0, 0, 0.0
    while True:
        fuzzer = Fuzzer(seed)
        for _ in range(2_000):
            begin = time.thread_time()
            try:
                fuzzer.step()
            except Exception as error:
                error.add_note(f"seed {seed}, after {steps} steps")
                raise
            longest = max(longest, (time.thread_time() - begin) * 1000)
            steps += 1
        packets += fuzzer.packets
        seed += 1
        if time.monotonic() >= end:
            print(
                f"{steps} ticks, {packets} datagrams, longest tick {longest:.1f} ms, no exception"
            )
            return fuzzer


if __name__ == "__main__":
    run(float(sys.argv[1]) if sys.argv[1:] else 60.0, int(sys.argv[2]) if sys.argv[2:] else 1)
