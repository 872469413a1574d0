"""Speech activity: one decision per 20 ms frame and stream.

A cheap energy test over all rows, then WebRTC's detector on the few frames that pass. Frames that
were made up never begin speech; a short hole does not end it.
"""

from typing import Any

import _webrtcvad as vad
import numpy as np
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
        since = self.since[rows]
        first = real & (since > now)
        if first.any():
            self.since[rows[first]] = since[first] = now
        open_ = real & (_energy(pcm) > _FLOOR_POWER * pcm.shape[1])
        open_ &= (now >= self.masked_until[rows]) & (now - since >= WARM_UP_S)
        holes = np.where(real, 0, self.holes[rows] + 1)
        decision = ~real & self.speaking[rows] & (holes <= HOLE_FRAMES)
        some = np.flatnonzero(open_)
        decision[some] = self._detected(rows[some], pcm[some])
        self.holes[rows], self.speaking[rows] = holes, decision
        return decision

    def mask(self, row: int, until: float) -> None:
        """Hear no speech in the row before `until`."""
        self.masked_until[row] = max(self.masked_until[row], until)

    def _detected(self, rows: Rows, pcm: NDArray[np.int16]) -> list[bool]:
        """What the detectors of unique rows say of a frame each."""
        detectors, process, size = self._detectors, vad.process, pcm.shape[1]
        return [
            process(detectors[row], RATE, frame, size)
            for row, frame in zip(rows.tolist(), pcm, strict=True)
        ]


def _energy(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The sum of the squares of each frame; some frames at a time, as floats are twice as large."""
    energy = np.empty(len(pcm), np.float32)
    for begin in range(0, len(pcm), _AT_ONCE):
        sound = pcm[begin : begin + _AT_ONCE].astype(np.float32)
        np.vecdot(sound, sound, out=energy[begin : begin + _AT_ONCE])
    return energy


class _Detectors(dict[int, Any]):
    """WebRTC's detector of each row, made when it is first asked.

    The C functions themselves: the package's class around them takes as long again as a third of
    their work.
    """

    def __missing__(self, row: int) -> Any:
        detector = self[row] = vad.create()
        vad.init(detector)
        vad.set_mode(detector, MODE)
        return detector
