"""The UDP sockets of all streams, one system call a datagram: works on every kernel."""

import select
import socket
import struct

from ..datagrams import AddressBook, Datagrams, Received
from .pairs import SO_TIMESTAMPNS, Pair, Pairs
from .ports import PortPairs

BATCH = 4_096  # datagrams taken in one tick
BURST = 16  # datagrams of one socket taken in one tick; a flooder waits for the next

_TIMESPEC = struct.Struct("qq")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)


class StreamSockets(Pairs):
    """A pair of sockets per row."""

    def __init__(self, ports: PortPairs, book: AddressBook) -> None:
        super().__init__(ports)
        self._book = book
        self._pairs: dict[int, Pair] = {}
        self._owners: dict[int, tuple[int, socket.socket, bool]] = {}
        self._epoll = select.epoll()
        self._batch = Received.allocate(BATCH)
        self._views = [memoryview(row) for row in self._batch.data]
        self.send_errors = 0
        self.receive_errors = 0

    def adopt(self, row: int, pair: Pair) -> None:
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
                # With MSG_TRUNC the size is that of the whole datagram, also of one that was cut.
                size, notes, _, address = one.recvmsg_into(
                    [self._views[count]], _ANCILLARY, socket.MSG_TRUNC
                )
            except BlockingIOError:
                return count
            except OSError:  # the error of an earlier send
                self.receive_errors += 1
                return count
            batch.length[count] = size
            batch.row[count] = row
            batch.source[count] = self._book.number(address[0], address[1])
            batch.control[count] = control
            batch.stamp[count] = _stamp(notes, wall)
            count += 1
        return count


def _stamp(notes: list[tuple[int, int, bytes]], wall: float) -> float:
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(nanoseconds) * 1e-9
    return wall
