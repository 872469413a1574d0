"""What a packet costs at the sockets: µs of CPU to send and to receive, plain beside io_uring.

Every stream sends one packet of 172 octets to the next one in each tick, over loopback; rounds of
both kinds alternate, and medians are told. Sending over loopback holds the kernel's delivery to the
other socket as well. Then one stream is flooded by another process: what the tick costs, and what
the other streams miss.
"""

import multiprocessing
import socket
import statistics
import time
from dataclasses import dataclass, field

import numpy as np

from aywa.media.datagrams import AddressBook, Datagrams
from aywa.media.io.ports import PortPairs
from aywa.media.io.transport import Kind, open_sockets

FIRST_PORT = 33_000
SIZE = 172  # octets of a packet: RTP with 20 ms of G.711
ROUNDS = 6
TICKS = 25
FLOODED_TICKS = 100
TICK_S = 0.02
KINDS: tuple[Kind, ...] = ("plain", "uring")


@dataclass
class Streams:
    """Streams of one kind of sockets, and what their ticks took, µs a packet."""

    kind: Kind
    count: int
    first: int
    sent: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        book = AddressBook()
        ports = PortPairs(self.first, self.first + 2 * self.count + 1)
        self.sockets = open_sockets(ports, book, self.kind)
        rows = np.arange(self.count)
        pairs = [self.sockets.bind("127.0.0.1", 0.0) for _ in rows]
        for row, pair in enumerate(pairs):
            self.sockets.adopt(row, pair)
        to = np.array([book.number("127.0.0.1", pair.port) for pair in pairs])
        data = np.random.default_rng(1).integers(0, 256, (self.count, SIZE), np.uint8)
        length = np.full(self.count, SIZE)
        self.packets = Datagrams(data, length, rows, np.roll(to, 1), control=False)
        self.sockets.receive(0.0)

    def round(self) -> None:
        """Some ticks; a packet that does not come is an error."""
        for _ in range(TICKS):
            begin = time.process_time_ns()
            self.sockets.send(self.packets)
            middle = time.process_time_ns()
            got = len(self.sockets.receive(0.0))
            end = time.process_time_ns()
            if got != self.count:
                raise RuntimeError(f"{got} packets of {self.count} came")
            self.sent.append((middle - begin) / 1_000 / self.count)
            self.received.append((end - middle) / 1_000 / self.count)


def cost(count: int) -> None:
    """Print what packets of so many streams cost."""
    both = []
    for turn, kind in enumerate(KINDS):
        both.append(Streams(kind, count, FIRST_PORT + turn * 2 * count))
    for streams in both:
        streams.round()
        streams.sent.clear()
        streams.received.clear()
    for _ in range(ROUNDS):
        for streams in both:
            streams.round()
    for streams in both:
        streams.sockets.close()
    print(f"{count} streams, µs of CPU a packet   {'   '.join(KINDS)}   ratio")
    for name in ("sent", "received"):
        plain, uring = (statistics.median(getattr(streams, name)) for streams in both)
        print(f"  {name:<30} {plain:7.2f} {uring:7.2f} {plain / uring:7.2f}")


def flood(port: int) -> None:
    """Send to one port as fast as it goes, until ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        while True:
            source.sendto(bytes(SIZE), ("127.0.0.1", port))


def flooded(kind: Kind, count: int) -> None:
    """Print what a flood of stream 0 does to a tick and to the other streams."""
    streams = Streams(kind, count, FIRST_PORT)
    flooder = multiprocessing.Process(target=flood, args=(FIRST_PORT,), daemon=True)
    flooder.start()
    took, heard = [], 0
    for _ in range(FLOODED_TICKS):
        streams.sockets.send(streams.packets)
        begin = time.process_time_ns()
        batch = streams.sockets.receive(0.0)
        took.append((time.process_time_ns() - begin) / 1_000)
        heard += int(np.count_nonzero(batch.row))
        time.sleep(TICK_S)
    flooder.terminate()
    flooder.join()
    heard += int(np.count_nonzero(streams.sockets.receive(0.0).row))
    missed = FLOODED_TICKS * (count - 1) - heard
    streams.sockets.close()
    longest, usual = max(took), statistics.median(took)
    print(f"  {kind}: {usual:.0f} µs a tick, longest {longest:.0f}; {missed} packets missed")


def main() -> None:
    """Print all of it."""
    for count in (100, 400, 1_000):
        cost(count)
    print("100 streams, one of them flooded")
    for kind in KINDS:
        flooded(kind, 100)


if __name__ == "__main__":
    main()
