"""Speech activity: one decision per 20 ms frame and stream.

A cheap energy test over all rows, then WebRTC's detector on the few frames that pass. Frames that
were made up never begin speech; a short hole does not end it.
"""

from typing import Any

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from .streams import Columns, Rows, column

RATE = 8_000
MODE = 2
FLOOR_DBFS = -50.0  # quieter frames are not speech
WARM_UP_S = 0.2  # WebRTC's detector calls its first noise frames speech
HOLE_FRAMES = 3  # concealed frames that keep a running decision

_FLOOR_POWER = (32_768.0 * 10 ** (FLOOR_DBFS / 20)) ** 2


class SpeechGate(Columns):
    """The detectors of all rows, and what they last said."""

    since: NDArray[np.float64] = column(np.float64, default=np.inf)
    """When the row's first packet came."""
    masked_until: NDArray[np.float64] = column(np.float64)
    """A telephone event is no speech."""
    speaking: NDArray[np.bool_] = column(np.bool_)
    holes: NDArray[np.int64] = column(np.int64)

    def __init__(self) -> None:
        super().__init__()
        self._detectors: dict[int, Any] = {}

    def reset(self, row: int) -> None:
        super().reset(row)
        self._detectors.pop(row, None)

    def judge(
        self, rows: Rows, pcm: NDArray[np.int16], real: NDArray[np.bool_], now: float
    ) -> NDArray[np.bool_]:
        """Decide for one frame each of unique rows, `pcm` of shape (rows, 160)."""
        self.since[rows[real]] = np.minimum(self.since[rows[real]], now)
        self.holes[rows] = np.where(real, 0, self.holes[rows] + 1)
        power = np.einsum("ij,ij->i", pcm, pcm, dtype=np.float64) / pcm.shape[1]
        open_ = real & (power > _FLOOR_POWER) & (now >= self.masked_until[rows])
        open_ &= now - self.since[rows] >= WARM_UP_S
        decision = ~real & self.speaking[rows] & (self.holes[rows] <= HOLE_FRAMES)
        for index in np.flatnonzero(open_):
            detector = self._detector(int(rows[index]))
            decision[index] = detector.is_speech(pcm[index].tobytes(), RATE)
        self.speaking[rows] = decision
        return decision

    def mask(self, row: int, until: float) -> None:
        """Hear no speech in the row before `until`."""
        self.masked_until[row] = max(self.masked_until[row], until)

    def _detector(self, row: int) -> Any:
        if row not in self._detectors:
            self._detectors[row] = webrtcvad.Vad(MODE)
        return self._detectors[row]
