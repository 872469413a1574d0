"""An engine on a hand-held clock, with a peer whose packets can be lost, doubled and forged."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from aywa.base.ids import SeededEntropy
from aywa.codecs import g711
from aywa.media import plane
from aywa.media.datagrams import Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine, Output
from aywa.media.feed import PlayoutFeed
from aywa.media.rtp import columns

TICK_S = 0.020
WALL_OFFSET = 1_700_000_000.0
PEER = ("192.0.2.2", 4000)


@dataclass
class Caller:
    """What one caller sends: numbers running on, a payload type, an address."""

    stream: str
    address: tuple[str, int] = PEER
    sequence: int = 65_530
    timestamp: int = 2**32 - 800
    ssrc: int = 77
    law: g711.Law = "pcmu"
    payload_type: int = 0

    def audio(self, pcm: NDArray[np.int16], *, marker: bool = False) -> bytes:
        octets = g711.encode(pcm, self.law).tobytes()
        packet = self.packet(octets, marker=marker)
        self.timestamp = (self.timestamp + len(pcm)) % 2**32
        return packet

    def packet(
        self, payload: bytes, *, payload_type: int | None = None, marker: bool = False
    ) -> bytes:
        head = np.zeros((1, 12), np.uint8)
        kind = self.payload_type if payload_type is None else payload_type
        columns.write_headers(
            head,
            np.array([kind]),
            np.array([marker]),
            np.array([self.sequence]),
            np.array([self.timestamp]),
            np.array([self.ssrc]),
        )
        self.sequence = (self.sequence + 1) % 65_536
        return head.tobytes() + payload


@dataclass
class Bench:
    """Drives an engine tick by tick and keeps what came out."""

    engine: Engine = field(
        default_factory=lambda: Engine(
            capacity=50, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0)
        )
    )
    now: float = 100.0
    events: list[plane.Event] = field(default_factory=list)
    sent: dict[str, list[bytes]] = field(default_factory=dict)
    control: dict[str, list[bytes]] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    feeds: dict[str, PlayoutFeed] = field(default_factory=dict)
    untold: list[plane.Room | plane.Played] = field(default_factory=list)
    stalled: bool = False
    """The control process reads nothing now."""

    def open(self, stream: str = "a", *, files: bool = False, **settings: object) -> Caller:
        folder = "somewhere" if files else None
        command = plane.OpenStream(stream, "192.0.2.1", folder, record=files, capture=files)
        self.engine.open(command, 20_000, self.now)
        self.configure(stream, **settings)
        return Caller(stream)

    def configure(self, stream: str, **settings: object) -> None:
        given: dict[str, object] = {
            "remote_host": PEER[0],
            "remote_port": PEER[1],
            "remote_rtcp_port": PEER[1] + 1,
            "codec": "pcmu",
            "payload_type": 0,
            "event_payload_type": 101,
        }
        self.command(plane.ConfigureStream(stream, **(given | settings)))  # type: ignore[arg-type]

    def play(
        self, pcm: NDArray[np.int16], *, stream: str = "a", generation: int = 1, end: bool = False
    ) -> None:
        """Say something of any length, fed into the engine as the control process does."""
        feed = self.feeds.setdefault(stream, PlayoutFeed(stream))
        for command in feed.play(generation, pcm) + (feed.end(generation) if end else []):
            self.command(command)

    def command(self, command: plane.Command) -> list[plane.Event]:
        return self._keep(self.engine.handle(command, self.now, self.now + WALL_OFFSET))

    def tick(
        self, *packets: tuple[Caller, bytes], delay: float = 0.0, control: bool = False
    ) -> list[plane.Event]:
        """One tick, in which `packets` arrived; `delay` seconds before its end."""
        self.now += TICK_S
        batch = Received.allocate(len(packets))
        for index, (caller, data) in enumerate(packets):
            batch.data[index, : len(data)] = np.frombuffer(data[:1536], np.uint8)
            batch.length[index] = len(data)
            batch.row[index] = self.engine.table.streams[caller.stream]
            batch.source[index] = self.engine.book.number(*caller.address)
            batch.stamp[index] = self.now - delay + WALL_OFFSET
            batch.control[index] = control
        events = self._keep(self.engine.tick(self.now, self.now + WALL_OFFSET, batch))
        self._feed(events)
        return events

    def _feed(self, events: list[plane.Event]) -> None:
        self.untold += [e for e in events if isinstance(e, plane.Room | plane.Played)]
        while self.untold and not self.stalled:
            told = self.untold.pop(0)
            if feed := self.feeds.get(told.stream):
                for command in feed.played(told.generation, told.samples):
                    self.command(command)

    def ticks(self, count: int) -> list[plane.Event]:
        return [event for _ in range(count) for event in self.tick()]

    def heard(self, stream: str = "a") -> NDArray[np.int16]:
        pieces = [e.pcm for e in self.events if isinstance(e, plane.Heard) and e.stream == stream]
        return np.concatenate([piece.ravel() for piece in pieces] or [np.zeros(0, np.int16)])

    def real(self, stream: str = "a") -> list[bool]:
        heard = [e for e in self.events if isinstance(e, plane.Heard) and e.stream == stream]
        return [flag for event in heard for flag in event.real]

    def of(self, kind: type[plane.Event]) -> list[plane.Event]:  # type: ignore[valid-type]
        return [event for event in self.events if isinstance(event, kind)]

    def spoken(self, stream: str = "a", since: int = 0) -> NDArray[np.int16]:
        octets = b"".join(packet[12:] for packet in self.sent[stream][since:])
        return g711.decode(np.frombuffer(octets, np.uint8), "pcmu")

    def close(self, stream: str = "a") -> plane.Closed:
        self.feeds.pop(stream, None)
        [closed] = self.command(plane.CloseStream(stream))
        assert isinstance(closed, plane.Closed)
        return closed

    def _keep(self, output: Output) -> list[plane.Event]:
        names = {row: name for name, row in self.engine.table.streams.items()}
        for packets in output.packets:
            kept = self.control if packets.control else self.sent
            for index, row in enumerate(packets.row.tolist()):
                data = packets.data[index, : packets.length[index]].tobytes()
                kept.setdefault(names.get(row, "closed"), []).append(data)
        for block in output.blocks:
            key = (block.stream, block.artifact)
            self.files[key] = self.files.get(key, b"") + block.data
        events: list[plane.Event] = []
        for event in output.events:
            batch = isinstance(event, plane.HeardBatch | plane.RoomBatch)
            events += event.each() if batch else [event]
        self.events += events
        return events


@pytest.fixture
def bench() -> Bench:
    return Bench()


def noise(samples: int, seed: int = 3) -> NDArray[np.int16]:
    """Sound that is like itself nowhere, already on the µ-law grid."""
    pcm = np.random.default_rng(seed).integers(-8_000, 8_000, samples).astype(np.int16)
    return g711.decode(g711.encode(pcm, "pcmu"), "pcmu")
