"""Intake: from the datagrams of one tick to the jitter buffer, judged, counted and put in order.

Packets are taken in rounds, in each of which a stream has at most one, so that every step is an
array operation over streams. Telephone events are few and go packet by packet.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from . import comfort
from .comfort import ComfortNoise
from .datagrams import AddressBook, Received
from .event_digits import EventDigits
from .formats import EVENT, NOISE, UNKNOWN, Formats
from .jitter import FRAME, MAX_PACKET, JitterBuffer
from .peers import Peers
from .plane import Event, PeerLocked, StrangerHeard
from .quality import Reception, Tally
from .recorder import Recorder
from .rtp import RtpError, columns
from .rtp.columns import HEADER_SIZE
from .sender import LAWS
from .speech_gate import SpeechGate
from .streams import Rows, StreamTable
from .wide import WideEar

EVENT_TAIL_S = 0.04


@dataclass(frozen=True, slots=True)
class _Packets:
    """Packets of unique rows, one each."""

    rows: Rows
    index: NDArray[np.int64]
    """Where they stand in the batch."""
    sort: NDArray[np.int64]
    source: NDArray[np.int64]
    ssrc: NDArray[np.int64]
    sequence: NDArray[np.int64]
    timestamp: NDArray[np.int64]
    at: NDArray[np.float64]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]

    def only(self, some: NDArray[np.bool_]) -> Self:
        """Those of the packets."""
        if some.all():
            return self
        return type(self)(*(getattr(self, field.name)[some] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of each stream's line."""

    book: AddressBook
    peers: Peers
    reception: Reception
    tally: Tally


class Intake:
    """The stages between the sockets and the jitter buffer."""

    def __init__(
        self,
        table: StreamTable,
        line: Line,
        *,
        formats: Formats,
        jitter: JitterBuffer,
        comfort: ComfortNoise,
        gate: SpeechGate,
        recorder: Recorder,
    ) -> None:
        self._table = table
        self._book, self._peers = line.book, line.peers
        self._reception, self._tally = line.reception, line.tally
        self._formats = formats
        self._jitter = jitter
        self._comfort = comfort
        self._gate = gate
        self._recorder = recorder
        self.digits = EventDigits(table, formats)
        self.wide: dict[int, WideEar] = {}
        """What rows received in a codec other than G.711."""

    def close(self, row: int) -> None:
        """Forget what is kept outside the columns."""
        self.digits.close(row)
        self.wide.pop(row, None)

    def receive(self, batch: Received, now: float, offset: float) -> list[Event]:
        """Take RTP datagrams; `offset` is epoch minus monotonic seconds."""
        head = columns.parse(batch.data, batch.length)
        if not head.valid.all():
            self._tally.add(self._tally.malformed, batch.row[~head.valid])
        at = batch.stamp - offset
        events: list[Event] = []
        for rows, index in rounds(batch.row, np.flatnonzero(head.valid)):
            packets = _Packets(
                rows,
                index,
                self._formats.sort(rows, head.payload_type[index]),
                batch.source[index],
                head.ssrc[index],
                head.sequence[index],
                head.timestamp[index],
                at[index],
                head.offset[index],
                head.size[index],
            )
            events += self._take(packets, batch.data)
        return events

    def _take(self, packets: _Packets, data: NDArray[np.uint8]) -> list[Event]:
        events: list[Event] = []
        packets = self._expected(packets, events)
        accepted, locked = self._peers.learn(
            packets.rows, packets.source, packets.ssrc, packets.sequence, packets.at
        )
        if locked.any():
            events += self._locked(packets.only(locked))
        packets = packets.only(accepted)
        fresh, newest, restarted = self._reception.note(
            packets.rows, packets.ssrc, packets.sequence
        )
        self._formats.packet_at[packets.rows] = packets.at
        audio = fresh & (packets.sort >= 0)
        if audio.all():
            self._store(packets, data, newest, restarted)
            return events
        self._silent(packets.only(fresh & (packets.sort == NOISE)), data)
        self._store(packets.only(audio), data, newest[audio], restarted[audio])
        for one in np.flatnonzero(fresh & (packets.sort == EVENT)).tolist():
            events += self._event(packets, one, data)
        return events

    def _expected(self, packets: _Packets, events: list[Event]) -> _Packets:
        """Those that a peer may send, counting the others; strangers are told in `events`."""
        strange = self._peers.strangers(packets.rows, packets.source)
        known = (packets.sort != UNKNOWN) & self._table.active[packets.rows]
        if strange.any():
            self._tally.add(self._tally.strangers, packets.rows[strange])
            events += self._strangers(packets.only(strange & known))
        expected = known & ~strange
        if not expected.all():
            self._tally.add(self._tally.wrong_payload_type, packets.rows[~strange & ~known])
        return packets.only(expected)

    def _strangers(self, packets: _Packets) -> list[Event]:
        """Tell of strangers that send what only the peer should."""
        new = self._peers.new_strangers(packets.rows, packets.source)
        return [
            StrangerHeard(
                self._table.names[int(packets.rows[one])],
                float(packets.at[one]),
                self._book.address(int(packets.source[one])),
            )
            for one in np.flatnonzero(new)
        ]

    def _silent(self, packets: _Packets, data: NDArray[np.uint8]) -> None:
        """Take comfort noise packets; one that tells no level means silence (RFC 3389 §3.1)."""
        if not len(packets.rows):
            return
        self._tally.add(self._tally.comfort_noise, packets.rows)
        place = np.minimum(packets.offset, data.shape[1] - 1)
        level = data[packets.index, place].astype(np.int64)
        level[packets.size == 0] = comfort.SILENT
        self._comfort.begin(packets.rows, level, packets.timestamp)

    def _store(
        self,
        packets: _Packets,
        data: NDArray[np.uint8],
        newest: NDArray[np.bool_],
        restarted: NDArray[np.bool_],
    ) -> None:
        rows, at, timestamp = packets.rows, packets.at, packets.timestamp
        if not len(rows):
            return
        self._formats.law[rows] = packets.sort
        payload, size = _payload(packets, data), np.minimum(packets.size, MAX_PACKET)
        if self.wide:
            payload = self._put_aside(packets, data, timestamp, payload, size)
        self._reception.measure(rows, timestamp, at)
        self._reception.packet_samples[rows] = size
        self._recorder.forget_anchor(rows[restarted])
        late, spoken = self._jitter.write(
            rows, timestamp, payload, size, at, newest=newest, restarted=restarted
        )
        if late.any():
            self._tally.add(self._tally.late, rows[late])
            self._reception.discard(rows[late], packets.sequence[late])
            rows, spoken, at = rows[~late], spoken[~late], at[~late]
        self._recorder.arrived(rows, spoken, at)

    def _put_aside(
        self,
        packets: _Packets,
        data: NDArray[np.uint8],
        timestamp: NDArray[np.int64],
        payload: NDArray[np.uint8],
        size: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """Put tickets in the place of payloads that are not G.711; gives the wider payloads.

        `timestamp` becomes 8 kHz, `size` samples.
        """
        tickets = np.zeros((len(payload), MAX_PACKET), np.uint8)
        tickets[:, : payload.shape[1]] = payload
        for one in np.flatnonzero(packets.sort >= len(LAWS)).tolist():
            row = int(packets.rows[one])
            ear = self.wide[row]
            timestamp[one] = ear.samples_time(int(timestamp[one]))
            size[one] = ear.put_aside(_octets(packets, one, data), tickets[one])
            self._tally.malformed[row] += size[one] == 0
        return tickets

    def _event(self, packets: _Packets, one: int, data: NDArray[np.uint8]) -> list[Event]:
        row, now = int(packets.rows[one]), float(packets.at[one])
        payload = _octets(packets, one, data)
        try:
            digits = self.digits.receive(row, payload, int(packets.timestamp[one]), now)
        except RtpError:
            self._tally.malformed[row] += 1
            return []
        self._gate.mask(row, now + FRAME / 8_000 + EVENT_TAIL_S)
        return list(digits)

    def _locked(self, packets: _Packets) -> list[PeerLocked]:
        return [
            PeerLocked(self._table.names[row], at, self._book.address(source))
            for row, at, source in zip(
                packets.rows.tolist(), packets.at.tolist(), packets.source.tolist(), strict=True
            )
        ]


def _payload(packets: _Packets, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The payloads as a matrix, as wide as the longest, at most MAX_PACKET."""
    width = min(int(packets.size.max()), MAX_PACKET)
    payload = data[packets.index, HEADER_SIZE : HEADER_SIZE + width]
    odd = np.flatnonzero(packets.offset != HEADER_SIZE)
    if len(odd):  # behind CSRCs or an extension
        reach = packets.offset[odd][:, None] + np.arange(width)
        reach = np.minimum(reach, data.shape[1] - 1)
        payload[odd] = data[packets.index[odd][:, None], reach]
    return payload


def _octets(packets: _Packets, one: int, data: NDArray[np.uint8]) -> bytes:
    begin = int(packets.offset[one])
    return data[packets.index[one], begin : begin + int(packets.size[one])].tobytes()


def rounds(row: Rows, index: NDArray[np.int64]) -> list[tuple[Rows, NDArray[np.int64]]]:
    """Cut packets into rounds in which no row stands twice, in order within each row.

    Gives the rows, ascending, and where their packets stand in the batch.
    """
    order = index[np.argsort(row[index], kind="stable")]
    rows = row[order]
    if not (rows[1:] == rows[:-1]).any():
        return [(rows, order)] if len(rows) else []
    turn = np.arange(len(order)) - np.searchsorted(rows, rows)
    cuts = [turn == number for number in range(int(turn.max()) + 1)]
    return [(rows[cut], order[cut]) for cut in cuts]
