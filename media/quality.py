"""What a stream's packets tell about the line: counts, loss, jitter (RFC 3550 §6.4.1, A.1, A.8)."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from .bursts import BATCH, SETTLED, Bursts
from .streams import Columns, Rows, column

CLOCK_RATE = 8000
HISTORY = 128
"""Sequence numbers remembered, to tell a duplicate from a late packet; a power of two."""
_UNSEEN = -(1 << 31)  # no extended sequence number; one before a run's first is negative
MAX_MISORDER = 100
MAX_DROPOUT = 3000
"""RFC 3550 A.1: a sequence number outside these bounds must prove itself by a successor."""


@dataclass(frozen=True, slots=True)
class StreamReport:
    """The totals of one stream, given when it closes.

    Counts are packets. `jitter_ms` is the RFC 3550 interarrival jitter at the end;
    `round_trip_ms` comes from RTCP and is None if the peer sent no usable report.
    """

    packets_received: int = 0
    packets_sent: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    concealed: int = 0
    malformed: int = 0
    strangers: int = 0
    unauthentic: int = 0
    """SRTP packets that were forged, altered, or came before."""
    wrong_payload_type: int = 0
    comfort_noise: int = 0
    bursts: int = 0
    """Clusters of lost and late packets (RFC 3611 §4.7.2)."""
    burst_ms: float = 0.0
    """Their mean length."""
    burst_density: float = 0.0
    """Share of packets missing within bursts, and beside them."""
    gap_density: float = 0.0
    r_factor: float | None = None
    """How well the peer was heard (ITU-T G.107), 0 to 93.2; None if nothing came."""
    mos: float | None = None
    """The same as a mean opinion score, 1 to 4.5."""
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    drift_ppm: float | None = None
    """By how many millionths the peer's clock is fast; None if that is not known yet."""
    underruns: int = 0
    """How often another caller of the same bridge had to wait for this one's sound."""
    held_ms: float = 0.0
    """How long it is held for them now."""

    def as_document(self) -> dict[str, float | int | None]:
        """The report as the timeline shows it."""
        return asdict(self)


class Tally(Columns):
    """Counters that the stages raise; the names are those of StreamReport."""

    late: NDArray[np.int64] = column(np.int64)
    concealed: NDArray[np.int64] = column(np.int64)
    malformed: NDArray[np.int64] = column(np.int64)
    strangers: NDArray[np.int64] = column(np.int64)
    wrong_payload_type: NDArray[np.int64] = column(np.int64)
    comfort_noise: NDArray[np.int64] = column(np.int64)

    @staticmethod
    def add(counter: NDArray[np.int64], rows: Rows) -> None:
        """Count one for each entry of `rows`; a row may stand several times in it."""
        if len(rows):
            np.add.at(counter, rows, 1)


class Reception(Columns):
    """Sequence numbers, loss and jitter of what each stream receives."""

    started: NDArray[np.bool_] = column(np.bool_)
    ssrc: NDArray[np.int64] = column(np.int64)
    highest: NDArray[np.int64] = column(np.int64)
    """Extended highest sequence number."""
    base: NDArray[np.int64] = column(np.int64)
    probation: NDArray[np.int64] = column(np.int64, default=-1)
    """The sequence number that would confirm a jump, or -1."""
    seen: NDArray[np.int32] = column(np.int32, HISTORY, scratch=True)
    """The newest extended number at each place; cleared when a run of numbers begins."""
    received: NDArray[np.int64] = column(np.int64)
    duplicates: NDArray[np.int64] = column(np.int64)
    expected_before: NDArray[np.int64] = column(np.int64)
    """Packets expected in earlier runs of sequence numbers (before an SSRC change or a jump)."""
    packet_samples: NDArray[np.int64] = column(np.int64, default=160)
    """Length of the last audio packet."""
    transit: NDArray[np.float64] = column(np.float64, default=np.nan)
    jitter: NDArray[np.float64] = column(np.float64)
    """Timestamp units."""
    discarded: NDArray[np.bool_] = column(np.bool_, HISTORY)
    """Of the numbers remembered: came too late to be heard."""
    reported_expected: NDArray[np.int64] = column(np.int64)
    reported_received: NDArray[np.int64] = column(np.int64)

    def __init__(self) -> None:
        super().__init__()
        self.bursts = Bursts()

    def note(
        self, rows: Rows, ssrc: NDArray[np.int64], sequence: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Count packets of unique rows.

        Returns (fresh, newest, restarted): whether a packet is to be used at all, whether it is
        ahead of all before it, and whether it begins a new run of numbers.
        """
        highest = self.highest[rows]
        step = (sequence - highest).astype(np.int16).astype(np.int64)
        running = self.started[rows] & (self.ssrc[rows] == ssrc)
        jump = running & ((step < -MAX_MISORDER) | (step > MAX_DROPOUT))
        confirmed = jump & (self.probation[rows] == sequence)
        restarted = ~running | confirmed
        waiting = jump & ~confirmed
        self.probation[rows] = -1
        if waiting.any():
            self.probation[rows[waiting]] = (sequence[waiting] + 1) & 0xFFFF
        # A step of more than the memory reaches back would forget what has not been judged.
        over = restarted | ((step > SETTLED) & ~waiting)
        if over.any():
            for row in rows[over].tolist():
                self.settle(row)
        behind = highest - self.bursts.judged[rows] >= BATCH + SETTLED
        if behind.any():
            self._judge(rows[behind & ~over])
        if restarted.any():
            self._restart(rows[restarted], ssrc[restarted], sequence[restarted])
        extended = np.where(restarted, sequence, highest + step)
        # One index moves faster than a row and a place.
        cell, seen = rows * HISTORY + (extended & HISTORY - 1), self.seen.reshape(-1)
        duplicate = ~waiting & (seen[cell] == extended)
        self.duplicates[rows[duplicate]] += 1
        fresh = ~(waiting | duplicate)
        newest = fresh & (restarted | (step > 0))
        if not fresh.all():
            rows, extended, cell = rows[fresh], extended[fresh], cell[fresh]
        seen[cell] = extended
        self.discarded.reshape(-1)[cell] = False
        self.highest[rows] = np.maximum(self.highest[rows], extended)
        self.received[rows] += 1
        return fresh, newest, restarted

    def measure(self, rows: Rows, timestamp: NDArray[np.int64], at: NDArray[np.float64]) -> None:
        """Advance the interarrival jitter (RFC 3550 §6.4.1) by audio packets of unique rows."""
        arrival = (at * CLOCK_RATE).astype(np.int64)
        transit = ((arrival - timestamp) & 0xFFFFFFFF).astype(np.float64)
        change = np.abs(transit - self.transit[rows])
        change = np.minimum(change, 2.0**32 - change)
        # A step of over a second is a new talkspurt's timestamp base, not a delayed packet.
        usable = change < CLOCK_RATE
        self.transit[rows] = transit
        jitter = self.jitter[rows]
        self.jitter[rows] = np.where(usable, jitter + (change - jitter) / 16, jitter)

    def discard(self, rows: Rows, sequence: NDArray[np.int64]) -> None:
        """The packets that `note` took of unique rows came too late to be heard."""
        highest = self.highest[rows]
        number = highest + (sequence - highest).astype(np.int16)
        self.discarded[rows, number % HISTORY] = True

    def settle(self, row: int) -> None:
        """Nothing more comes of what came before: judge every packet."""
        if self.started[row]:
            numbers = np.arange(self.bursts.judged[row] + 1, self.highest[row] + 1)
            self.bursts.take(row, ~self._came(row, numbers))
            self.bursts.judged[row] = self.highest[row]

    def expected(self, row: int) -> int:
        """Packets that the peer sent, judged by its sequence numbers."""
        return int(self.expected_before[row]) + self._span(row)

    def lost(self, row: int) -> int:
        """Packets that never came (RFC 3550 A.3); never negative, duplicates not counted."""
        return max(0, self.expected(row) - int(self.received[row]))

    def interval_loss(self, row: int) -> int:
        """The fraction lost since the last call, in 1/256 (RFC 3550 A.3)."""
        all_expected, all_received = self.expected(row), int(self.received[row])
        expected = all_expected - int(self.reported_expected[row])
        lost = expected - all_received + int(self.reported_received[row])
        self.reported_expected[row] = all_expected
        self.reported_received[row] = all_received
        return 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)

    def _judge(self, rows: Rows) -> None:
        """Tell the fates of the next BATCH packets of each row."""
        numbers = self.bursts.judged[rows][:, None] + np.arange(1, BATCH + 1)
        came = self._came(rows[:, None], numbers)
        whole = came.all(axis=1)
        self.bursts.came(rows[whole], BATCH)
        for one in np.flatnonzero(~whole).tolist():
            self.bursts.take(int(rows[one]), ~came[one])
        self.bursts.judged[rows] += BATCH

    def _came(self, rows: Rows | int, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        place = numbers % HISTORY
        came: NDArray[np.bool_] = (self.seen[rows, place] == numbers) & ~self.discarded[rows, place]
        return came

    def _span(self, row: int) -> int:
        if not self.started[row]:
            return 0
        return int(self.highest[row]) - int(self.base[row]) + 1

    def _restart(self, rows: Rows, ssrc: NDArray[np.int64], sequence: NDArray[np.int64]) -> None:
        span = np.where(self.started[rows], self.highest[rows] - self.base[rows] + 1, 0)
        self.expected_before[rows] += span
        self.started[rows] = True
        self.ssrc[rows] = ssrc
        self.base[rows] = self.highest[rows] = sequence
        self.bursts.judged[rows] = sequence - 1
        self.seen[rows] = _UNSEEN
        self.transit[rows] = np.nan
