"""Speech activity: one decision per 20 ms frame and stream.

A cheap energy test over all rows, then WebRTC's detector on the few frames that pass. Frames that
were made up never begin speech; a short hole does not end it.
"""

from collections.abc import Callable

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from .streams import Columns, Rows, column

RATE = 8_000
MODE = 2
FLOOR_DBFS = -50.0  # quieter frames are not speech
WARM_UP_S = 0.2  # WebRTC's detector calls its first noise frames speech
HOLE_FRAMES = 3  # concealed frames that keep a running decision

_AT_ONCE = 128
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
        self._detectors = _Detectors()

    def reset(self, row: int) -> None:
        super().reset(row)
        self._detectors.pop(row, None)

    def judge(
        self, rows: Rows, pcm: NDArray[np.int16], real: NDArray[np.bool_], now: float
    ) -> NDArray[np.bool_]:
        """Decide for one frame each of unique rows, `pcm` of shape (rows, 160)."""
        self.since[rows[real]] = np.minimum(self.since[rows[real]], now)
        self.holes[rows] = np.where(real, 0, self.holes[rows] + 1)
        energy = _energy(pcm)
        open_ = real & (energy > _FLOOR_POWER * pcm.shape[1]) & (now >= self.masked_until[rows])
        open_ &= now - self.since[rows] >= WARM_UP_S
        decision = ~real & self.speaking[rows] & (self.holes[rows] <= HOLE_FRAMES)
        if open_.any():
            decision[open_] = self._detected(rows[open_], pcm[open_])
        self.speaking[rows] = decision
        return decision

    def mask(self, row: int, until: float) -> None:
        """Hear no speech in the row before `until`."""
        self.masked_until[row] = max(self.masked_until[row], until)

    def _detected(self, rows: Rows, pcm: NDArray[np.int16]) -> list[bool]:
        """What the detectors of unique rows say of a frame each."""
        octets, size = pcm.tobytes(), pcm.itemsize * pcm.shape[1]
        detectors = self._detectors
        return [
            detectors[row](octets[index * size : index * size + size], RATE)
            for index, row in enumerate(rows.tolist())
        ]


def _energy(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The sum of the squares of each frame; some frames at a time, as floats are twice as large."""
    energy = np.empty(len(pcm), np.float32)
    for begin in range(0, len(pcm), _AT_ONCE):
        sound = pcm[begin : begin + _AT_ONCE].astype(np.float32)
        np.einsum("ij,ij->i", sound, sound, out=energy[begin : begin + _AT_ONCE])
    return energy


class _Detectors(dict[int, Callable[[bytes, int], bool]]):
    """WebRTC's detector of each row, made when it is first asked."""

    def __missing__(self, row: int) -> Callable[[bytes, int], bool]:
        detector: Callable[[bytes, int], bool] = webrtcvad.Vad(MODE).is_speech
        self[row] = detector
        return detector
