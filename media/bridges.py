"""Bridges: callers who hear one another, besides what each is told by an assistant.

Sound goes from decoded to encoded, so the ends may speak different codecs. Everybody in a bridge
hears the sum of the others, each held as long as its own line needs (`adaptive.py`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .adaptive import AdaptivePlayout
from .jitter import FRAME, Frames
from .streams import Columns, Rows, column

MOST = 3
"""Callers in one bridge."""


class Bridges(Columns):
    """Which rows hear one another."""

    group: NDArray[np.int64] = column(np.int64)
    """The bridge of a row; 0: none."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = AdaptivePlayout()
        self._rows: Rows = np.empty(0, np.int64)
        self._last = 0

    def members(self) -> tuple[Columns, ...]:
        """The columns to be grown and reset with the table."""
        return (self, self.playout)

    def join(self, rows: Sequence[int]) -> bool:
        """From now on these hear one another, and nobody else; False if they are too many."""
        if not 2 <= len(set(rows)) <= MOST:
            return False
        for row in rows:
            self.leave(row)
            self.playout.begin(row)
        self._last += 1
        self.group[list(rows)] = self._last
        self._rows = np.flatnonzero(self.group)
        return True

    def leave(self, row: int) -> None:
        """The row hears nobody and is heard by nobody; a bridge of one is none."""
        number = self.group[row]
        if not number:
            return
        mates = np.flatnonzero(self.group == number)
        for gone in mates if len(mates) == 2 else [row]:
            self.group[gone] = 0
        self._rows = np.flatnonzero(self.group)

    def held_ms(self, row: int) -> float:
        """How long the row's sound is held for the others; 0 without any."""
        return round(float(self.playout.level[row] - FRAME) / 8, 1) if self.group[row] else 0.0

    def heard(self, frames: Frames, pcm: NDArray[np.int16]) -> None:
        """Keep what unique rows heard, and what was made for it; `pcm` is the sound of `frames`."""
        rows = frames.rows
        if not len(self._rows):
            return
        some = np.flatnonzero((frames.real | frames.lost) & (self.group[rows] > 0))
        if len(some):
            real, arrived = frames.real[some], frames.arrived[some]
            self.playout.put(rows[some], pcm[some], real, arrived, frames.position[some])

    def mix(self, rows: Rows, pcm: NDArray[np.int16], active: NDArray[np.bool_]) -> None:
        """Add to what `rows`, ascending, send what the others of their bridges say, in place."""
        if not len(self._rows):
            return
        sound = self.playout.take(self._rows).astype(np.int32)
        _, number = np.unique(self.group[self._rows], return_inverse=True)
        together = np.zeros((number.max() + 1, sound.shape[1]), np.int32)
        np.add.at(together, number, sound)
        others = together[number] - sound
        index = np.searchsorted(rows, self._rows)
        sends = np.flatnonzero(index < len(rows))
        sends = sends[rows[index[sends]] == self._rows[sends]]
        index = index[sends]
        pcm[index] = np.clip(pcm[index] + others[sends], -32_768, 32_767)
        active[index] = True
