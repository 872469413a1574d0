"""The UDP sockets of all streams on one io_uring: a few array operations a tick.

To receive by one receiver per socket, which stays armed and fills buffers of a shared ring, costs
0.9 µs a packet at a thousand streams; a receive request per readable socket costs 1.2, `recvmmsg`
per socket through ctypes 1.8, plain sockets 3.9. To send costs 1.0 µs, 0.75 of them in the kernel's
UDP; `sendmmsg` per socket costs 2.0, plain sockets 2.1, and the `liburing` binding of PyPI wants
Python objects for each packet and could not read back what had come.
"""

import errno
import logging
import socket

import numpy as np
from numpy.typing import NDArray

from ..datagrams import DATAGRAM_WIDTH, IPV6_BASE, AddressBook, Datagrams, Received
from .pairs import SO_TIMESTAMPNS, Pair, Pairs
from .ports import PortPairs
from .ring import Buffers, Ints, Ring
from .sockets import BATCH, BURST

log = logging.getLogger("aywa.media")

HELD = BATCH // 4
"""Datagrams beyond a socket's burst that wait for the next tick; further ones are dropped."""
COMPLETIONS = 4 * BATCH
SETTLE_TRIES = 1_000

_RECVMSG, _CANCEL, _SEND = 10, 14, 26
_BUFFER_SELECT, _QUIET = 1 << 5, 1 << 6  # flags of a submission; quiet: completes if it fails
_MULTISHOT = 1 << 1
_MORE = 1 << 1  # of a completion: the request goes on
_HAS_BUFFER = 1 << 0
_SENT, _CANCELLED = -1, -2  # what completes, where it is no receiver
_SEAT = 0xFFFFFFFF
_EXPECTED = (errno.ENOBUFS, errno.ECANCELED)  # ends of receivers that are no errors

# A buffer: struct io_uring_recvmsg_out, the source, the kernel's notes, the datagram.
_FRAME = np.dtype(
    {
        "names": [
            "notes", "size", "family", "port", "host", "host6",
            "level", "kind", "seconds", "nanoseconds",
        ],
        "formats": ["u4", "u4", "u2", ">u2", ">u4", "V16", "i4", "i4", "i8", "i8"],
        "offsets": [4, 8, 16, 18, 20, 24, 56, 60, 64, 72],
        "itemsize": 80,
    }
)  # fmt: skip
_NAME, _NOTES, _HEAD = 32, 32, _FRAME.itemsize
_MESSAGE = np.dtype(
    {
        "names": ["name_size", "notes_size"],
        "formats": ["u4", "u8"],
        "offsets": [8, 40],
        "itemsize": 56,
    }
)
_ADDRESS = np.dtype(
    {
        "names": ["family", "port", "host", "host6"],
        "formats": ["u2", ">u2", ">u4", "V16"],
        "offsets": [0, 2, 4, 8],
        "itemsize": 28,
    }
)
_ARRIVAL = np.dtype([("user_data", "i8"), ("id", "i8"), ("end", "i8")])


class UringSockets(Pairs):
    """A pair of sockets per row; a socket's seat is twice its row, and one more for RTCP.

    Raises OSError where the kernel has no io_uring, or forbids it.
    """

    def __init__(self, ports: PortPairs, book: AddressBook) -> None:
        super().__init__(ports)
        self._book = book
        self._ring = Ring(2 * BATCH, COMPLETIONS)
        try:
            self._buffers = Buffers(self._ring, BATCH, _HEAD + DATAGRAM_WIDTH)
        except OSError:
            self._ring.close()
            raise
        self._pairs: dict[int, Pair] = {}
        self._descriptor = np.full(256, -1, np.int64)
        self._owner = np.zeros(256, np.int64)  # how many owners the seat has had
        self._armed = np.zeros(256, np.bool_)
        self._waiting: list[NDArray[np.void]] = []
        self._batch = Received.allocate(BATCH)
        self._numbers6: dict[bytes, int] = {}
        self._hosts6: dict[int, bytes] = {}
        self._prepare()
        self.send_errors = 0
        self.receive_errors = 0
        self.dropped = 0
        """Datagrams of flooders that found no place."""

    def _prepare(self) -> None:
        """What never changes of the submissions: sends first, then receivers and cancels."""
        self._addresses = np.zeros(BATCH, _ADDRESS)
        self._message = np.zeros(1, _MESSAGE)
        self._message["name_size"], self._message["notes_size"] = _NAME, _NOTES
        sends = self._sends = self._ring.submissions[:BATCH]
        sends["opcode"], sends["flags"] = _SEND, _QUIET
        sends["op_flags"], sends["user_data"] = socket.MSG_DONTWAIT, _SENT
        sends["off"] = self._addresses.ctypes.data + np.arange(BATCH) * _ADDRESS.itemsize
        sends["addr_len"] = _ADDRESS.itemsize
        self._orders = self._ring.submissions[BATCH:]

    def adopt(self, row: int, pair: Pair) -> None:
        """The pair belongs to a row from now on."""
        if (missing := 2 * row + 2 - len(self._descriptor)) > 0:
            more = (0, missing + len(self._descriptor))
            self._descriptor = np.pad(self._descriptor, more, constant_values=-1)
            self._owner = np.pad(self._owner, more)
            self._armed = np.pad(self._armed, more)
        self._pairs[row] = pair
        self._descriptor[2 * row] = pair.rtp.fileno()
        self._descriptor[2 * row + 1] = pair.rtcp.fileno()

    def release(self, row: int, now: float) -> None:
        """Close the row's sockets; nothing of theirs is in flight afterwards."""
        pair = self._pairs.pop(row, None)
        if pair is None:
            return
        seats = np.array([2 * row, 2 * row + 1])
        self._descriptor[seats] = -1
        self._settle(seats)
        self._owner[seats] += 1
        self.discard(pair, now)

    def receive(self, wall: float) -> Received:
        """Everything that came since the last call, within bounds."""
        idle = np.flatnonzero((self._descriptor >= 0) & ~self._armed)
        for begin in range(0, len(idle), BATCH):
            self._arm(idle[begin : begin + BATCH])
        self._ring.enter()
        self._reap()
        if self._ring.overflowed:
            self._ring.enter()
            self._reap()
        arrived = self._due()
        count = len(arrived)
        if count:
            self._fill(arrived, wall)
            self._buffers.give(arrived["id"])
        return self._batch.head(count)

    def send(self, packets: Datagrams) -> None:
        """Send each datagram from its row's socket."""
        data = packets.data
        if data.strides[1] != 1:
            data = np.ascontiguousarray(data)
        seats = 2 * packets.row + packets.control
        known = seats < len(self._descriptor)
        descriptor = np.where(known, self._descriptor[np.where(known, seats, 0)], -1)
        chosen = np.flatnonzero(descriptor >= 0)
        for begin in range(0, len(chosen), BATCH):
            some = chosen[begin : begin + BATCH]
            sends = self._sends[: len(some)]
            sends["fd"] = descriptor[some]
            sends["addr"] = data.ctypes.data + some * data.strides[0]
            sends["len"] = np.minimum(packets.length[some], data.shape[1])
            self._address(packets.destination[some])
            self.send_errors += len(some) - self._ring.submit(0, len(some))
            self._reap()

    def close(self) -> None:
        """Close everything."""
        for row in list(self._pairs):
            self.release(row, 0.0)
        del self._sends, self._orders
        self._ring.close()

    def _arm(self, seats: Ints) -> None:
        """Start a receiver on each of the seats: it goes on until it is told to end, or must."""
        orders = self._orders[: len(seats)]
        orders["opcode"], orders["flags"] = _RECVMSG, _BUFFER_SELECT
        orders["ioprio"], orders["op_flags"] = _MULTISHOT, socket.MSG_TRUNC
        orders["fd"] = self._descriptor[seats]
        orders["addr"] = self._message.ctypes.data
        orders["user_data"] = self._owner[seats] << 32 | seats
        taken = self._ring.submit(BATCH, len(seats), events=True)
        self._armed[seats[:taken]] = True
        self._reap()

    def _settle(self, seats: Ints) -> None:
        """End the receivers of the seats, and wait for their last completion.

        One that is at work just then is not found, and told again.
        """
        for _ in range(SETTLE_TRIES):
            seats = seats[self._armed[seats]]
            if not len(seats):
                return
            orders = self._orders[: len(seats)]
            orders["opcode"], orders["flags"] = _CANCEL, _QUIET
            orders["ioprio"], orders["op_flags"] = 0, 0
            orders["fd"] = -1
            orders["addr"] = self._owner[seats] << 32 | seats
            orders["user_data"] = _CANCELLED
            self._ring.submit(BATCH, len(seats), events=True)
            self._reap()
        log.error("receivers of closed sockets did not end: %s", seats.tolist())
        self._armed[seats] = False  # their owner is gone: what they bring goes back unread

    def _reap(self) -> None:
        """Take note of everything that completed."""
        found = self._ring.completions()
        if not len(found):
            return
        whose, result, flags = found["user_data"], found["result"], found["flags"]
        self.send_errors += int(np.count_nonzero(whose == _SENT))
        ended = (whose >= 0) & (flags & _MORE == 0)
        if ended.any():
            seats = whose[ended] & _SEAT
            current = self._owner[seats] == whose[ended] >> 32
            self._armed[seats[current]] = False
            failed = (result[ended] < 0) & ~np.isin(-result[ended], _EXPECTED)
            self.receive_errors += int(np.count_nonzero(failed))
        brought = flags & _HAS_BUFFER != 0
        arrived = np.empty(int(np.count_nonzero(brought)), _ARRIVAL)
        arrived["user_data"] = whose[brought]
        arrived["id"] = flags[brought] >> 16
        arrived["end"] = result[brought]
        self._waiting.append(arrived)

    def _due(self) -> NDArray[np.void]:
        """What is handed out now; the buffers of the rest are kept or given back."""
        if not self._waiting:
            return np.zeros(0, _ARRIVAL)
        arrived = np.concatenate(self._waiting)
        self._waiting.clear()
        seats = arrived["user_data"] & _SEAT
        stale = (self._owner[seats] != arrived["user_data"] >> 32) | (arrived["end"] < _HEAD)
        if stale.any():
            self._buffers.give(arrived["id"][stale])
            arrived, seats = arrived[~stale], seats[~stale]
        if len(seats) and np.bincount(seats).max() > BURST:
            return self._bounded(arrived, seats)
        return arrived

    def _bounded(self, arrived: NDArray[np.void], seats: Ints) -> NDArray[np.void]:
        """A burst of each seat. The next ones wait, the flooders' last ones are dropped."""
        order = np.argsort(seats, kind="stable")
        first = np.searchsorted(seats[order], seats[order])
        rank = np.empty(len(seats), np.int64)
        rank[order] = np.arange(len(seats)) - first
        over = np.flatnonzero(rank >= BURST)
        over = over[np.argsort(rank[over], kind="stable")]
        self._buffers.give(arrived["id"][over[HELD:]])
        self.dropped += len(over[HELD:])
        self._waiting.append(arrived[np.sort(over[:HELD])])
        return arrived[rank < BURST]

    def _fill(self, arrived: NDArray[np.void], wall: float) -> None:
        """Copy the datagrams into the batch, no wider than the longest."""
        batch, count = self._batch, len(arrived)
        width = int(arrived["end"].max()) - _HEAD
        octets = self._buffers.octets[arrived["id"], : _HEAD + width]
        batch.data[:count, :width] = octets[:, _HEAD:]
        frames = octets[:, :_HEAD].view(_FRAME)[:, 0]
        seats = arrived["user_data"] & _SEAT
        batch.row[:count] = seats >> 1
        batch.control[:count] = seats & 1
        batch.length[:count] = frames["size"]
        stamped = (frames["notes"] >= _NOTES) & (frames["level"] == socket.SOL_SOCKET)
        stamped &= frames["kind"] == SO_TIMESTAMPNS
        stamp = frames["seconds"] + frames["nanoseconds"] * 1e-9
        batch.stamp[:count] = np.where(stamped, stamp, wall)
        batch.source[:count] = frames["host"].astype(np.int64) << 16 | frames["port"]
        six = np.flatnonzero(frames["family"] == socket.AF_INET6)
        if len(six):
            hosts = [self._number6(host) for host in frames["host6"][six].tolist()]
            known = np.array(hosts)
            batch.source[six] = np.where(known, known << 16 | frames["port"][six], 0)

    def _number6(self, host: bytes) -> int:
        """The book's number of an IPv6 host; 0 if it has none."""
        known = self._numbers6.get(host)
        if known is None:
            text = socket.inet_ntop(socket.AF_INET6, host)
            known = self._book.number(text, 0) >> 16
            if known:
                self._numbers6[host] = known
        return known

    def _address(self, destination: Ints) -> None:
        """Write the addresses of the next sends."""
        addresses = self._addresses[: len(destination)]
        addresses["family"] = socket.AF_INET
        addresses["port"] = destination & 0xFFFF
        addresses["host"] = destination >> 16 & 0xFFFFFFFF
        for index in np.flatnonzero(destination >> 16 >= IPV6_BASE).tolist():
            host = int(destination[index]) >> 16
            known = self._hosts6.get(host)
            if known is None:
                text = self._book.address(host << 16)[0]
                known = self._hosts6[host] = socket.inet_pton(socket.AF_INET6, text)
            addresses[index] = (socket.AF_INET6, destination[index] & 0xFFFF, 0, known)
