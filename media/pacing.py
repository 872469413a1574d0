"""Packets that do not hold 20 ms: sound of each tick is cut, or gathered until a packet is full.

The tick stays 20 ms. Streams that send 10 ms send two packets in it; those of 30, 40 or 60 ms send
when enough has come together, each packet with the time of its first sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .streams import Columns, Rows, column

FRAME = 160
PTIMES_MS = (10, 20, 30, 40, 60)
"""What is sent; streams that agreed on anything else send 20 ms."""

_LONGEST = 8 * max(PTIMES_MS)
_TAIL = np.arange(_LONGEST)
_SPAN = np.arange(FRAME)


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound for one packet each of unique rows, all of one length."""

    rows: Rows
    pcm: NDArray[np.int16]
    active: NDArray[np.bool_]
    offset: NDArray[np.int64]
    """Samples from the tick's frame to the first one of the packet."""


class Pacing(Columns):
    """How long each row's packets are, and the sound that waits for its packet."""

    samples: NDArray[np.int64] = column(np.int64, default=FRAME)
    held: NDArray[np.int16] = column(np.int16, _LONGEST + FRAME, scratch=True)
    count: NDArray[np.int64] = column(np.int64)
    active: NDArray[np.bool_] = column(np.bool_)

    def __init__(self) -> None:
        super().__init__()
        self.rows: set[int] = set()
        """Rows whose packets are not of one frame."""

    def reset(self, row: int) -> None:
        super().reset(row)
        self.rows.discard(row)

    def agree(self, row: int, ptime_ms: int) -> None:
        """Send so much in each packet from now on."""
        samples = 8 * ptime_ms if ptime_ms in PTIMES_MS else FRAME
        if samples != self.samples[row]:
            self.samples[row], self.count[row] = samples, 0
            (self.rows.discard if samples == FRAME else self.rows.add)(row)

    def forget(self, rows: Rows) -> None:
        """What waits in these rows is silence that need not be sent."""
        self.count[rows] = 0

    def pieces(
        self, rows: Rows, pcm: NDArray[np.int16], active: NDArray[np.bool_]
    ) -> Iterator[Piece]:
        """Take one frame each of unique rows; gives what is full. To be used up."""
        before = self.count[rows]
        self.held[rows[:, None], before[:, None] + _SPAN] = pcm
        self.active[rows] |= active
        size, come = self.samples[rows], before + FRAME
        gone = np.zeros(len(rows), np.int64)
        while (full := come - gone >= size).any():
            for one in np.unique(size[full]).tolist():
                some = np.flatnonzero(full & (size == one))
                mine = rows[some]
                sound = self.held[mine[:, None], gone[some][:, None] + np.arange(one)]
                yield Piece(mine, sound, self.active[mine], gone[some] - before[some])
                gone[some] += one
        self.active[rows[gone > 0]] = False
        tail = np.minimum(gone[:, None] + _TAIL, self.held.shape[1] - 1)
        self.held[rows[:, None], _TAIL] = self.held[rows[:, None], tail]
        self.count[rows] = come - gone
