"""Packet-loss concealment: a lost frame is filled with the last pitch period, fading to silence.

In the manner of ITU-T G.711 Appendix I, on 20 ms frames: the period is found by normalised
cross-correlation in the last 45 ms, repeated, attenuated by 20 % each 10 ms after the first, and
silent after 60 ms. The first good frame is faded in over the continued period. Few rows need it in
a tick, so it works row by row.
"""

import numpy as np
from numpy.typing import NDArray

from .streams import Columns, column

FRAME = 160
HISTORY = 390  # samples, 48.75 ms
MIN_LAG, MAX_LAG = 40, 120  # samples: 200 to 66 Hz
WINDOW = 160  # samples that are correlated
FADED_FRAMES = 3
OVERLAP = 32  # samples, 4 ms

Pcm = NDArray[np.int16]

_RAMP = np.arange(1, OVERLAP + 1) / (OVERLAP + 1)
_GAIN = np.clip(1.0 - 0.2 * np.maximum(np.arange(FADED_FRAMES * FRAME) / 80 - 1, 0), 0, 1)


class Concealment(Columns):
    """The last sound of each row, and how far a made sound has gone on."""

    history: Pcm = column(np.int16, HISTORY)
    lag: NDArray[np.int64] = column(np.int64)
    made: NDArray[np.int64] = column(np.int64)
    """Frames made in a row."""

    def remember(self, rows: NDArray[np.int64], pcm: Pcm) -> None:
        """Keep good frames of unique rows, shape (rows, 160); fades one in after a loss.

        Works in place: `pcm` may be changed.
        """
        for index in np.flatnonzero(self.made[rows]):
            row = int(rows[index])
            made = self._continuation(row)[:OVERLAP]
            pcm[index, :OVERLAP] = made * (1 - _RAMP) + pcm[index, :OVERLAP] * _RAMP
        self.made[rows] = 0
        self._push(rows, pcm)

    def conceal(self, rows: NDArray[np.int64]) -> Pcm:
        """Frames in the place of lost ones, for unique rows."""
        out = np.zeros((len(rows), FRAME), np.int16)
        for index, row in enumerate(rows):
            if self.made[row] == 0:
                self.lag[row] = _pitch_lag(self.history[row])
            out[index] = self._continuation(int(row))
            self.made[row] += 1
        return out

    def _continuation(self, row: int) -> Pcm:
        """The next 160 samples of the repeated period. History stays what was really heard."""
        made, lag = int(self.made[row]), int(self.lag[row])
        if made >= FADED_FRAMES:
            return np.zeros(FRAME, np.int16)
        at = made * FRAME + np.arange(FRAME)
        period = self.history[row, HISTORY - lag :]
        sound: Pcm = (period[at % lag] * _GAIN[at]).astype(np.int16)
        return sound

    def _push(self, rows: NDArray[np.int64], pcm: Pcm) -> None:
        kept = self.history[rows, FRAME:]
        self.history[rows] = np.concatenate((kept, pcm), axis=1)


def _pitch_lag(history: Pcm) -> int:
    """The lag at which the newest samples resemble older ones most."""
    sound = history.astype(np.float64)
    newest = sound[HISTORY - WINDOW :]
    lags = np.arange(MIN_LAG, MAX_LAG + 1)
    older = sound[HISTORY - WINDOW - lags[:, None] + np.arange(WINDOW)]
    energy = np.sqrt(np.sum(older**2, axis=1)) + 1.0
    return int(lags[np.argmax(older @ newest / energy)])
