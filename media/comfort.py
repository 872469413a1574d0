"""Comfort noise of peers that send nothing while they are silent (RFC 3389).

After a comfort noise packet missing sound is silence, not loss: it is filled with soft noise of the
told level until sound comes again. Only the level is followed, not the spectrum.
"""

import numpy as np
from numpy.typing import NDArray

from .rtp.sequence import timestamp_distance
from .streams import Columns, Rows, column

PAYLOAD_TYPE = 13
FRAME = 160
LOUDEST = 40
"""−dBov; a peer that tells a louder noise is not followed, since nobody is comforted by it."""
SILENT = 127

_PERIOD = 8_192
_STEP = 1_367  # from one frame's place in the noise to the next one's; odd, so that all come
_NOISE = np.random.default_rng(3389).standard_normal(_PERIOD + FRAME).clip(-3, 3)
_SPAN = np.arange(FRAME)


class ComfortNoise(Columns):
    """Which peers are silent on purpose, and how their silence sounds."""

    on: NDArray[np.bool_] = column(np.bool_)
    level: NDArray[np.int64] = column(np.int64)
    """−dBov, 0 to 127."""
    since: NDArray[np.int64] = column(np.int64)
    """The sender's time from which on sound is missing on purpose."""
    place: NDArray[np.int64] = column(np.int64)

    def __init__(self) -> None:
        super().__init__()
        self._silent: set[int] = set()

    def reset(self, row: int) -> None:
        super().reset(row)
        self._silent.discard(row)

    def begin(self, rows: Rows, level: NDArray[np.int64], timestamp: NDArray[np.int64]) -> None:
        """Comfort noise packets of unique rows came."""
        later = ~self.on[rows] | (timestamp_distance(timestamp, self.since[rows]) > 0)
        rows = rows[later]
        self.on[rows] = True
        self._silent.update(rows.tolist())
        self.level[rows] = np.clip(level[later] & 0x7F, LOUDEST, SILENT)
        self.since[rows] = timestamp[later]

    def judge(
        self, rows: Rows, position: NDArray[np.int64], real: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which frames of unique rows are noise; a real one after the noise ends it."""
        if not self._silent:
            return np.zeros(len(rows), np.bool_)
        within = self.on[rows]
        within &= timestamp_distance(position, self.since[rows]) >= 0
        over = rows[within & real]
        self.on[over] = False
        self._silent.difference_update(over.tolist())
        return within & ~real

    def frames(self, rows: Rows) -> NDArray[np.int16]:
        """The next frame of noise of unique rows, shape (rows, 160)."""
        amplitude = 32_768 * 10 ** (-self.level[rows] / 20)
        sound = _NOISE[self.place[rows][:, None] + _SPAN] * amplitude[:, None]
        self.place[rows] = (self.place[rows] + _STEP) % _PERIOD
        noise: NDArray[np.int16] = np.rint(sound).astype(np.int16)
        return noise
