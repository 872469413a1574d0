"""The capture: every packet of a stream, and the SIP messages of its call, as pcap records.

A buffer per row, filled by array operations and written out about once a second. Builds bytes only.
"""

import numpy as np
from numpy.typing import NDArray

from . import pcap, rings
from .datagrams import IPV6_BASE, AddressBook
from .plane import CaptureSip
from .streams import Columns, Rows, column

BUFFER = 65_536  # octets a row
DUE = 49_152
DUE_S = 1.0


class Capture(Columns):
    """The records of each row that have not been written yet."""

    buffer: NDArray[np.uint8] = column(np.uint8, BUFFER, scratch=True)
    used: NDArray[np.int64] = column(np.int64)
    enabled: NDArray[np.bool_] = column(np.bool_)
    written_at: NDArray[np.float64] = column(np.float64)
    overflowed: NDArray[np.int64] = column(np.int64)

    def __init__(self, book: AddressBook) -> None:
        super().__init__()
        self._book = book
        self._talks: dict[int, pcap.TcpConversation] = {}

    def reset(self, row: int) -> None:
        super().reset(row)
        self._talks.pop(row, None)

    def open(self, row: int, now: float) -> None:
        """Begin to capture the row."""
        self.enabled[row] = True
        self.written_at[row] = now

    def packets(
        self,
        rows: Rows,
        at: NDArray[np.float64],
        source: NDArray[np.int64],
        destination: NDArray[np.int64],
        payload: NDArray[np.uint8],
        length: NDArray[np.int64],
    ) -> None:
        """Keep datagrams of unique rows; times are epoch seconds."""
        some = np.flatnonzero(self.enabled[rows] & (length > 0))
        if not len(some):
            return
        six = (source[some] >> 16 >= IPV6_BASE) | (destination[some] >> 16 >= IPV6_BASE)
        for index in some[six]:
            ends = (
                self._book.address(int(source[index])),
                self._book.address(int(destination[index])),
            )
            data = payload[index, : length[index]].tobytes()
            self._append(int(rows[index]), pcap.udp_record(float(at[index]), *ends, data))
        some = some[~six]
        for size in np.unique(length[some]):
            same = some[length[some] == size]
            records = pcap.udp4_records(
                at[same], source[same], destination[same], payload[same, :size]
            )
            self._scatter(rows[same], records)

    def sip(self, row: int, message: CaptureSip) -> None:
        """Keep one SIP message."""
        if not self.enabled[row]:
            return
        try:
            self._append(row, self._sip_record(row, message))
        except pcap.PcapError:  # a name instead of an address, or more than a datagram holds
            self.overflowed[row] += 1

    def _sip_record(self, row: int, message: CaptureSip) -> bytes:
        ends = (message.source, message.destination)
        if message.transport == "udp":
            return pcap.udp_record(message.at, *ends, message.payload)
        talk = self._talks.setdefault(row, pcap.TcpConversation())
        return talk.records(message.at, *ends, message.payload)

    def due(self, rows: Rows, now: float) -> Rows:
        """The rows with records to write."""
        rows = rows[self.enabled[rows]]
        if not len(rows):
            return rows
        full = (self.used[rows] >= DUE) | (now - self.written_at[rows] >= DUE_S)
        return rows[(self.used[rows] > 0) & full]

    def block(self, row: int, now: float) -> bytes:
        """The records of the row so far."""
        data = self.buffer[row, : self.used[row]].tobytes()
        self.used[row] = 0
        self.written_at[row] = now
        return data

    def _scatter(self, rows: Rows, records: NDArray[np.uint8]) -> None:
        fits = self.used[rows] + records.shape[1] <= BUFFER
        if not fits.all():
            self.overflowed[rows[~fits]] += 1
            rows, records = rows[fits], records[fits]
        rings.write(self.buffer, rows, self.used[rows], records)
        self.used[rows] += records.shape[1]

    def _append(self, row: int, record: bytes) -> None:
        begin = int(self.used[row])
        if begin + len(record) > BUFFER:
            self.overflowed[row] += 1
            return
        self.buffer[row, begin : begin + len(record)] = np.frombuffer(record, np.uint8)
        self.used[row] += len(record)
