"""The UDP sockets of all streams: drained once a tick into one preallocated batch.

Receive times are the kernel's own (SO_TIMESTAMPNS), so jitter is measured on the wire's clock and
not on the tick's.
"""

import contextlib
import errno
import select
import socket
import struct
from dataclasses import dataclass

from ..datagrams import AddressBook, Datagrams, Received
from .ports import PortPairs

SO_TIMESTAMPNS = 35  # Linux, x86 and Arm
BATCH = 4_096  # datagrams taken in one tick
BURST = 16  # datagrams of one socket taken in one tick; a flooder waits for the next
RECEIVE_BUFFER = 256 * 1024
TRIES = 16

_TIMESPEC = struct.Struct("qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)


class NoPort(OSError):
    """No pair of ports is to be had; the message says why."""


@dataclass(frozen=True, slots=True)
class _Pair:
    rtp: socket.socket
    rtcp: socket.socket
    port: int


class StreamSockets:
    """A pair of sockets per row."""

    def __init__(self, ports: PortPairs, book: AddressBook) -> None:
        self._ports = ports
        self._book = book
        self._pairs: dict[int, _Pair] = {}
        self._owners: dict[int, tuple[int, socket.socket, bool]] = {}
        self._epoll = select.epoll()
        self._batch = Received.allocate(BATCH)
        self._views = [memoryview(row) for row in self._batch.data]
        self.send_errors = 0

    def bind(self, host: str, now: float) -> "_Pair":
        """Bind a free pair of ports. Raises NoPort."""
        for _ in range(TRIES):
            port = self._ports.take(now)
            if port is None:
                raise NoPort(
                    f"all {self._ports.total} pairs of RTP ports are in use or resting; "
                    "widen RUNTIME_RTP_PORTS"
                )
            try:
                return self._bound(host, port)
            except OSError as error:
                self._ports.give_back(port, now)
                if error.errno != errno.EADDRINUSE:
                    raise NoPort(f"RTP cannot be received on {host}: {error.strerror}") from error
        raise NoPort(f"other programs use the RTP ports on {host}; set RUNTIME_RTP_PORTS")

    def adopt(self, row: int, pair: "_Pair") -> None:
        """The pair belongs to a row from now on."""
        self._pairs[row] = pair
        for one, control in ((pair.rtp, False), (pair.rtcp, True)):
            self._owners[one.fileno()] = (row, one, control)
            self._epoll.register(one.fileno(), select.EPOLLIN)

    def release(self, row: int, now: float) -> None:
        """Close the row's sockets."""
        pair = self._pairs.pop(row, None)
        if pair is None:
            return
        for one in (pair.rtp, pair.rtcp):
            self._epoll.unregister(one.fileno())
            del self._owners[one.fileno()]
        self.discard(pair, now)

    def discard(self, pair: "_Pair", now: float) -> None:
        """Close a pair that no row has."""
        pair.rtp.close()
        pair.rtcp.close()
        self._ports.give_back(pair.port, now)

    def receive(self, wall: float) -> Received:
        """Everything that came since the last call, within bounds."""
        count = 0
        for descriptor, _ in self._epoll.poll(0, 2 * len(self._pairs) or 1):
            row, one, control = self._owners[descriptor]
            count = self._drain(row, one, control, count, wall)
            if count >= BATCH:
                break
        return self._batch.head(count)

    def send(self, packets: Datagrams) -> None:
        """Send each datagram from its row's socket."""
        for index, row in enumerate(packets.row.tolist()):
            pair = self._pairs.get(row)
            if pair is None:
                continue
            one = pair.rtcp if packets.control else pair.rtp
            address = self._book.address(int(packets.destination[index]))
            try:
                one.sendto(packets.data[index, : packets.length[index]].data, address)
            except OSError:  # unreachable, refused, buffer full: the next packet tries again
                self.send_errors += 1

    def close(self) -> None:
        """Close everything."""
        for row in list(self._pairs):
            self.release(row, 0.0)
        self._epoll.close()

    def _drain(self, row: int, one: socket.socket, control: bool, count: int, wall: float) -> int:
        batch = self._batch
        for _ in range(min(BURST, BATCH - count)):
            try:
                size, notes, _, address = one.recvmsg_into([self._views[count]], _ANCILLARY)
            except OSError:  # nothing more, or the error of an earlier send
                return count
            batch.length[count] = size
            batch.row[count] = row
            batch.source[count] = self._book.number(address[0], address[1])
            batch.control[count] = control
            batch.stamp[count] = _stamp(notes, wall)
            count += 1
        return count

    def _bound(self, host: str, port: int) -> _Pair:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with contextlib.ExitStack() as opened:
            pair = []
            for number in (port, port + 1):
                one = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                one.setblocking(False)
                one.bind((host, number))
                pair.append(one)
            opened.pop_all()
        return _Pair(pair[0], pair[1], port)


def _stamp(notes: list[tuple[int, int, bytes]], wall: float) -> float:
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(nanoseconds) * 1e-9
    return wall
