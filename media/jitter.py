"""The jitter buffer: puts what each stream received in order, and says why a frame is missing.

One ring of G.711 octets per row, addressed by media time, in slots of 10 ms so that packets of 10
to 60 ms fit. Reading is *reorder-only*: a frame comes out as soon as it is there, several in one
tick if they came together, so hearing adds no delay. A hole is waited for as long as the measured
jitter suggests, then given up as lost. When nothing at all is left for `STARVED_TICKS`, silence is
made on the clock, and the next packet that comes, however late, is where hearing goes on. What
already waits is never thrown away for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import rings
from .streams import Columns, Rows, column

FRAME = 160  # samples, 20 ms
SLOT = 80
SLOTS = 80  # 0.8 s a row
MAX_PACKET = 480  # samples; longer packets are cut to 60 ms
RESYNC = SLOTS * SLOT - MAX_PACKET  # samples, 0.74 s; a jump of more begins anew
STARVED_TICKS = 3  # for packets of 20 ms; longer ones are waited for that much longer
MIN_WAIT, MAX_WAIT = 1, 5  # ticks that a hole is waited for

_STAMP_HZ = 8_000
_FUTURE = 8_192  # stamps; a packet may come while the tick it is counted to is under way


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of unique rows. Where `real` is False `octets` mean nothing.

    `lost` marks holes to be concealed; the rest of what is not real is silence made on the clock.
    """

    rows: Rows
    octets: NDArray[np.uint8]
    real: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    arrived: NDArray[np.float64]
    position: NDArray[np.int64]
    """The sender's time of the first sample: an extended RTP timestamp."""


NO_FRAMES = Frames(
    rows=np.empty(0, np.int64),
    octets=np.empty((0, FRAME), np.uint8),
    real=np.empty(0, np.bool_),
    lost=np.empty(0, np.bool_),
    arrived=np.empty(0),
    position=np.empty(0, np.int64),
)


class JitterBuffer(Columns):
    """What each row received and has not been read yet."""

    ring: NDArray[np.uint8] = column(np.uint8, SLOTS, SLOT, scratch=True)
    filled: NDArray[np.bool_] = column(np.bool_, SLOTS)
    arrived: NDArray[np.uint16] = column(np.uint16, SLOTS, scratch=True)
    """Monotonic seconds, counted in steps of an eighth of a millisecond that go round in 8 s."""
    started: NDArray[np.bool_] = column(np.bool_)
    timestamp: NDArray[np.int64] = column(np.int64)
    """Extended RTP timestamp that stands at `anchor`."""
    anchor: NDArray[np.int64] = column(np.int64)
    read: NDArray[np.int64] = column(np.int64)
    """Position of the next sample to be read."""
    end: NDArray[np.int64] = column(np.int64)
    """Position after the newest sample."""
    waited: NDArray[np.int64] = column(np.int64)
    idle: NDArray[np.int64] = column(np.int64)
    """Ticks since a frame could be read."""
    starved: NDArray[np.bool_] = column(np.bool_)
    """Silence was made since the last packet."""
    size: NDArray[np.int64] = column(np.int64)
    """Samples of the last packet."""

    def write(
        self,
        rows: Rows,
        timestamp: NDArray[np.int64],
        payload: NDArray[np.uint8],
        size: NDArray[np.int64],
        at: NDArray[np.float64],
        *,
        newest: NDArray[np.bool_],
        restarted: NDArray[np.bool_],
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Store audio packets of unique rows.

        Returns which came too late, and the extended timestamp of each. Of each row of
        `payload` `size` octets count; `newest` and `restarted` are what the sequence
        numbers say (`Reception.note`).
        """
        step = ((timestamp - self.timestamp[rows] + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        extended = self.timestamp[rows] + step
        position = (self.anchor[rows] + step) // SLOT * SLOT
        far = np.abs(position - self.read[rows]) > RESYNC
        # Of a burst that the ring does not hold the end is lost, not what waits.
        jumped = far & (self.end[rows] - self.read[rows] <= RESYNC // 2)
        # After a silence made on the clock, hearing goes on with whatever comes first; only what
        # is older than something heard stays late.
        anew = ~self.started[rows] | restarted | (newest & (jumped | self.starved[rows]))
        late = ~anew & (far | (position + size <= self.read[rows]))
        if anew.any():
            fresh = rows[anew]
            position[anew] = self._tail(fresh)
            self.started[fresh] = True
            self.timestamp[fresh] = extended[anew]
            self.anchor[fresh] = position[anew]
            self.idle[fresh] = 0
        self.size[rows] = size
        if late.any():
            kept = ~late
            rows, position, payload = rows[kept], position[kept], payload[kept]
            size, at = size[kept], at[kept]
        self.starved[rows] = False
        self._store(rows, position, payload, size, at)
        return late, extended

    def frames(self, rows: Rows, now: float, patience: NDArray[np.float64]) -> Frames:
        """The next frame of each of `rows` that has one; call again until nothing is real.

        `patience` is how many ticks a hole of each row is waited for.
        """
        whole = self.end[rows] >= self.read[rows] + FRAME
        if not whole.all():
            rows, patience = rows[whole], patience[whole]
        taken, lost = self._due(rows, patience)
        if not taken.all():
            rows, lost = rows[taken], lost[taken]
        return self._take(rows, lost, now) if len(rows) else NO_FRAMES

    def silence(self, rows: Rows, now: float) -> Frames:
        """Made silence for those of `rows` that have starved; call once a tick, after `frames`."""
        rows = rows[self.idle[rows] >= STARVED_TICKS]
        if not len(rows):
            return NO_FRAMES
        longer = np.maximum(self.size[rows] - 1, 0) // FRAME
        starved = (self.idle[rows] >= STARVED_TICKS + longer) & self.started[rows]
        starved &= self.end[rows] < self.read[rows] + FRAME
        if not starved.any():
            return NO_FRAMES
        taken = rows[starved]
        position = self._sender_time(taken)
        filled = self.filled.reshape(-1)
        for cell in self._cells(taken, self.read[taken]):
            filled[cell] = False
        self.read[taken] += FRAME
        self.end[taken] = self.read[taken]
        self.starved[taken] = True
        none = np.zeros(len(taken), np.bool_)
        octets = np.zeros((len(taken), FRAME), np.uint8)
        return Frames(taken, octets, none, none, np.full(len(taken), now), position)

    def tick(self, rows: Rows) -> None:
        """A tick begins: every row waits one tick longer."""
        self.waited[rows] += self.end[rows] > self.read[rows]
        self.idle[rows] += 1

    def _due(
        self, rows: Rows, patience: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows give a frame now; and which of them one that is given up as lost."""
        first, second = self._halves(rows)
        ready = first & second
        given_up = ~ready
        if not given_up.any():
            return ready, given_up
        given_up &= self.started[rows] & (self.waited[rows] > patience)
        skip = given_up & ~first & second
        if skip.any():
            # A hole that ends amid a frame: go on where sound does, none of it is thrown away.
            self.read[rows[skip]] += SLOT
            first, second = self._halves(rows)
            given_up &= ~skip
        return first & second | given_up, given_up

    def _halves(self, rows: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether the two slots of each row's next frame are there."""
        filled = self.filled.reshape(-1)
        first, second = self._cells(rows, self.read[rows])
        return filled[first], filled[second]

    @staticmethod
    def _cells(
        rows: Rows, position: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the two slots of the frame at `position` stand in a column of slots made flat.

        One index moves faster than a row and a slot.
        """
        slot, row = position // SLOT, rows * SLOTS
        return row + slot % SLOTS, row + (slot + 1) % SLOTS

    def _tail(self, rows: Rows) -> NDArray[np.int64]:
        """Where a new run of timestamps is put: behind what waits, unless that is too much."""
        much = self.end[rows] - self.read[rows] > RESYNC
        self.filled[rows[much]] = False
        self.end[rows[much]] = self.read[rows[much]]
        return np.maximum(self.end[rows], self.read[rows])

    def _sender_time(self, rows: Rows) -> NDArray[np.int64]:
        return self.timestamp[rows] + self.read[rows] - self.anchor[rows]

    def _store(
        self,
        rows: Rows,
        position: NDArray[np.int64],
        payload: NDArray[np.uint8],
        size: NDArray[np.int64],
        at: NDArray[np.float64],
    ) -> None:
        self.end[rows] = np.maximum(self.end[rows], position + size // SLOT * SLOT)
        stamp = np.rint(at * _STAMP_HZ).astype(np.int64).astype(np.uint16)
        frame = (size == FRAME) & (position >= self.read[rows])
        if frame.all():
            self._store_frames(rows, position, payload, stamp)
            return
        self._store_frames(rows[frame], position[frame], payload[frame], stamp[frame])
        other = ~frame
        self._store_slots(rows[other], position[other], payload[other], size[other], stamp[other])

    def _store_frames(
        self,
        rows: Rows,
        position: NDArray[np.int64],
        payload: NDArray[np.uint8],
        stamp: NDArray[np.uint16],
    ) -> None:
        """Store packets of 20 ms, which nearly all are, of which nothing has been read."""
        rings.write(self._samples(), rows, position, payload[:, :FRAME])
        filled, arrived = self.filled.reshape(-1), self.arrived.reshape(-1)
        for cell in self._cells(rows, position):
            filled[cell] = True
            arrived[cell] = stamp

    def _store_slots(
        self,
        rows: Rows,
        position: NDArray[np.int64],
        payload: NDArray[np.uint8],
        size: NDArray[np.int64],
        stamp: NDArray[np.uint16],
    ) -> None:
        """Store packets of any size slot by slot, those slots that have not been read."""
        for offset in range(0, int(size.max(initial=0)) // SLOT * SLOT, SLOT):
            some = np.flatnonzero((size >= offset + SLOT) & (position + offset >= self.read[rows]))
            row, slot = rows[some], (position[some] + offset) // SLOT % SLOTS
            self.ring[row, slot] = payload[some, offset : offset + SLOT]
            self.filled[row, slot] = True
            self.arrived[row, slot] = stamp[some]

    def _samples(self) -> NDArray[np.uint8]:
        """The ring as samples, without slots."""
        return self.ring.reshape(len(self.ring), -1)

    def _take(self, rows: Rows, lost: NDArray[np.bool_], now: float) -> Frames:
        position = self._sender_time(rows)
        read = self.read[rows]
        octets = rings.read(self._samples(), rows, read, FRAME)
        first, second = self._cells(rows, read)
        filled = self.filled.reshape(-1)
        filled[first] = filled[second] = False
        age = round(now * _STAMP_HZ) + _FUTURE - self.arrived.reshape(-1)[second].astype(np.int64)
        arrived, real = now - ((age & 0xFFFF) - _FUTURE) / _STAMP_HZ, ~lost
        if real.all():
            self.waited[rows] = 0
        else:
            arrived[lost] = now
            self.waited[rows[real]] = 0
        self.read[rows] = read + FRAME
        self.idle[rows] = 0
        return Frames(rows, octets, real, lost, arrived, position)
