"""Playout: what each stream will send, and which generation it belongs to.

A small ring of samples per row; the rest of a reply waits in the control process (`feed.py`), which
is told every `ROOM_TICKS` how far playout has come. Only the current generation plays: a newer one,
or a flush, drops the older at once, and from then on not one old sample leaves. Pausing freezes the
row; a resume may go back up to `KEPT` samples, so that a word can be said again from its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import rings
from .streams import Columns, Rows, column

FRAME = 160
ROOM_TICKS = 8
"""How often a playing stream tells how far it has come."""
STALL_TICKS = 16
"""The control process may take so long to answer, 0.32 s, and what waits is enough."""
AHEAD = (ROOM_TICKS + STALL_TICKS) * FRAME  # samples that may wait to be sent, 0.48 s
KEPT = 3_600  # samples behind the read position that a resume can go back to, 0.45 s
RING = AHEAD + KEPT
FADE = 80  # samples, 10 ms, after a resume

_FADE_IN = np.arange(FADE) / FADE


@dataclass(frozen=True, slots=True)
class Spoken:
    """One frame per row; rows that have nothing to say get silence."""

    pcm: NDArray[np.int16]
    active: NDArray[np.bool_]
    """Which rows really speak."""
    began: Rows
    """Rows whose generation was heard for the first time."""
    ended: Rows
    """Rows whose generation has left entirely."""


class Playout(Columns):
    """The queue of each row. Positions count samples of the current generation."""

    ring: NDArray[np.int16] = column(np.int16, RING, scratch=True)
    generation: NDArray[np.int64] = column(np.int64)
    read: NDArray[np.int64] = column(np.int64)
    write: NDArray[np.int64] = column(np.int64)
    furthest: NDArray[np.int64] = column(np.int64)
    """Samples that left at least once."""
    complete: NDArray[np.bool_] = column(np.bool_)
    told: NDArray[np.bool_] = column(np.bool_)
    paused: NDArray[np.bool_] = column(np.bool_)
    fading: NDArray[np.bool_] = column(np.bool_)

    def play(self, row: int, generation: int, pcm: NDArray[np.int16]) -> None:
        """Append samples. Older generations are ignored, and so is what `feed.py` never sends:
        more than there is room for.
        """
        if not self._current(row, generation):
            return
        if self.write[row] - self.read[row] + len(pcm) > RING:
            return
        ring, at = self.ring[row], int(self.write[row]) % RING
        first = min(len(pcm), RING - at)
        ring[at : at + first] = pcm[:first]
        ring[: len(pcm) - first] = pcm[first:]
        self.write[row] += len(pcm)

    def play_many(
        self, rows: Rows, generation: NDArray[np.int64], pieces: Sequence[NDArray[np.int16]]
    ) -> None:
        """Append a piece each to unique rows."""
        size = np.fromiter(map(len, pieces), np.int64, len(pieces))
        goes_on = (generation == self.generation[rows]) & ~self.told[rows]
        goes_on &= self.write[rows] - self.read[rows] + size <= RING
        for one in np.flatnonzero(~goes_on).tolist():
            self.play(int(rows[one]), int(generation[one]), pieces[one])
        for length in np.unique(size[goes_on]).tolist():  # nearly all are of one length
            some = np.flatnonzero(goes_on & (size == length))
            mine = rows[some]
            rings.write(
                self.ring, mine, self.write[mine], np.stack([pieces[i] for i in some.tolist()])
            )
            self.write[mine] += length

    def end(self, row: int, generation: int) -> None:
        """Nothing more will come for the generation."""
        if self._current(row, generation):
            self.complete[row] = True

    def pause(self, row: int, generation: int) -> int | None:
        """Freeze; the samples that left, or None if another generation is playing."""
        if generation != self.generation[row]:
            return None
        self.paused[row] = True
        return int(self.furthest[row])

    def resume(self, row: int, generation: int, rewind: int) -> None:
        """Go on, up to `rewind` samples before where it was frozen."""
        if generation != self.generation[row] or not self.paused[row]:
            return
        overwritten = RING - int(self.write[row] - self.read[row])
        back = min(max(rewind, 0), KEPT, int(self.read[row]), overwritten)
        self.read[row] -= back
        self.paused[row] = False
        self.fading[row] = True

    def flush(self, row: int, generation: int) -> int | None:
        """Drop the generation and older ones; the samples of it that left, None if not playing."""
        if generation < self.generation[row]:
            return None
        left = int(self.furthest[row]) if generation == self.generation[row] else 0
        self._begin(row, generation)
        self.complete[row] = self.told[row] = True
        return left

    def frame(self, rows: Rows, waiting: NDArray[np.bool_]) -> Spoken:
        """What each of `rows` sends in this tick; those that are `waiting` keep what they have."""
        ready = np.where(self.paused[rows] | waiting, 0, self.write[rows] - self.read[rows])
        count = np.minimum(ready, FRAME)
        active = count > 0
        pcm = np.zeros((len(rows), FRAME), np.int16)
        who = np.flatnonzero(active)
        some = rows[who]
        pcm[who] = rings.read(self.ring, some, self.read[some], FRAME)
        for one in np.flatnonzero(active & (count < FRAME)).tolist():
            pcm[one, count[one] :] = 0
        self._fade(pcm, rows, who)
        began = some[self.furthest[some] == 0]
        self.read[some] += count[who]
        self.furthest[some] = np.maximum(self.furthest[some], self.read[some])
        over = self.complete[rows] & ~self.told[rows] & ~self.paused[rows]
        over &= self.read[rows] >= self.write[rows]
        ended = rows[over]
        self.told[ended] = True
        return Spoken(pcm, active, began, ended)

    def _fade(self, pcm: NDArray[np.int16], rows: Rows, who: NDArray[np.int64]) -> None:
        fading = who[self.fading[rows[who]]]
        if len(fading):
            pcm[fading, :FADE] = (pcm[fading, :FADE] * _FADE_IN).astype(np.int16)
            self.fading[rows[fading]] = False

    def _current(self, row: int, generation: int) -> bool:
        """Whether the generation may add sound; a newer one takes the place of the current."""
        if generation > self.generation[row]:
            self._begin(row, generation)
        return generation == self.generation[row] and not self.told[row]

    def _begin(self, row: int, generation: int) -> None:
        self.generation[row] = generation
        self.read[row] = self.write[row] = self.furthest[row] = 0
        self.complete[row] = self.told[row] = self.paused[row] = self.fading[row] = False
