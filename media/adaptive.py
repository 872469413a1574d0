"""Adaptive playout: how long a caller's sound is held before another caller hears it.

A recogniser hears each frame as soon as it comes. A person cannot: sound that comes unevenly must
be held until its late parts are there. How late they come is learned: of each frame, the delay
behind the fastest one of late goes into a histogram that forgets, and the `QUANTILE` of it is what
is held. What is held too much or too little is put right where nobody hears it, in silence; a peer
whose clock runs fast or slow, by one sample more or less in a frame. What is not there in time is
concealed.
"""

import numpy as np
from numpy.typing import NDArray

from . import rings
from .concealment import PERIODS, Concealment
from .streams import Columns, Rows, column

RATE = 8_000
FRAME = 160
RING = 8_192  # samples, 1 s
BIN = 40  # samples, 5 ms, of the histogram
BINS = 80
FORGET = 0.998
"""What a frame leaves of the histogram before it: half of it is of the last 7 s."""
QUANTILE = 0.95
FLOOR_WINDOW = 5 * RATE
"""The fastest frame is that of the last one or two windows, so that a drifting clock counts."""
JUMP = RATE
"""Later by more, 1 s, is another clock: hearing lets no packet be so late."""
SMOOTH = 1 / 16
SLIGHT = 8  # samples, 1 ms, too little or too much: then one a frame is put right
GROSS = 1_600  # samples too many that are not borne until there is silence
CUT = 80  # samples, 10 ms, that are left out of silence or put into it
QUIET = 400
"""Peak of a frame in which nobody hears a change; -38 dBFS."""

_INDEX = np.arange(FRAME)
_BLEND = np.arange(1, CUT + 1) / CUT


class AdaptivePlayout(Columns):
    """What is held of each row's caller."""

    ring: NDArray[np.int16] = column(np.int16, RING, scratch=True)
    read: NDArray[np.int64] = column(np.int64)
    write: NDArray[np.int64] = column(np.int64)
    running: NDArray[np.bool_] = column(np.bool_)
    """Sound is taken; else it is collected until there is enough."""
    level: NDArray[np.float64] = column(np.float64)
    """Samples held, smoothed."""
    target: NDArray[np.int64] = column(np.int64, default=2 * FRAME)
    """Samples to be held: what late frames need, and a frame more, as sound is taken by the frame
    and may come just after."""
    histogram: NDArray[np.float32] = column(np.float32, BINS, scratch=True)
    floor: NDArray[np.float64] = column(np.float64, 2, default=np.inf)
    """Lag of the fastest frame of the present window, and of the one before."""
    window: NDArray[np.float64] = column(np.float64)
    """Begin of the present window, in samples of our clock."""
    gap: NDArray[np.int64] = column(np.int64)
    """Frames concealed in a row."""
    underruns: NDArray[np.int64] = column(np.int64)

    def __init__(self) -> None:
        super().__init__()
        self.concealment = Concealment()

    def allocate(self, rows: int) -> None:
        super().allocate(rows)
        self.concealment.allocate(rows)

    def begin(self, row: int) -> None:
        """Hold nothing yet, and know nothing of the line; what was counted stays."""
        underruns = self.underruns[row]
        self.reset(row)
        # Few rows are ever in a bridge: the larger columns of the others stay untouched memory.
        self.histogram[row] = 0
        self.concealment.reset(row)
        self.underruns[row] = underruns

    def put(
        self,
        rows: Rows,
        pcm: NDArray[np.int16],
        real: NDArray[np.bool_],
        arrived: NDArray[np.float64],
        position: NDArray[np.int64],
    ) -> None:
        """Hold a frame of each of unique rows.

        Of those that are `real`, not made, `arrived` tells when they came, in seconds, and
        `position` the sender's time.
        """
        self._learn(rows[real], arrived[real] * RATE, position[real])
        full = self.write[rows] - self.read[rows] > RING - 2 * FRAME
        crowded = rows[full]
        self.read[crowded] = self.write[crowded] - self.target[crowded] - FRAME
        rings.write(self.ring, rows, self.write[rows], pcm)
        self.write[rows] += FRAME

    def take(self, rows: Rows) -> NDArray[np.int16]:
        """The next frame of each of unique rows, shape (rows, 160)."""
        held = self.write[rows] - self.read[rows]
        depth = self.target[rows] + FRAME + SLIGHT  # before a frame is taken
        begins = ~self.running[rows] & (held >= depth)
        fresh = rows[begins]
        self.running[fresh] = True
        held[begins] = self.level[fresh] = depth[begins]  # no more than is needed from the first
        self.read[fresh] = self.write[fresh] - depth[begins]
        pcm = np.zeros((len(rows), FRAME), np.int16)
        there = self.running[rows] & (held >= FRAME)
        if there.any():
            pcm[there] = self._sound(rows[there], held[there], depth[there])
        missing = self.running[rows] & ~there
        if missing.any():
            pcm[missing] = self._concealed(rows[missing])
        return pcm

    def _learn(self, rows: Rows, arrived: NDArray[np.float64], position: NDArray[np.int64]) -> None:
        lag = arrived - position
        over = arrived - self.window[rows] >= FLOOR_WINDOW
        older = rows[over]
        self.floor[older, 1] = self.floor[older, 0]
        self.floor[older, 0] = np.inf
        self.window[older] = arrived[over]
        self.floor[rows, 0] = np.minimum(self.floor[rows, 0], lag)
        delay = lag - self.floor[rows].min(axis=1)
        jumped = delay > JUMP
        if jumped.any():
            again = rows[jumped]
            self.floor[again, 0], self.floor[again, 1] = lag[jumped], np.inf
            delay[jumped] = 0
        place = np.clip(delay // BIN, 0, BINS - 1).astype(np.int64)
        self.histogram[rows] *= FORGET
        self.histogram[rows, place] += 1 - FORGET
        share = np.cumsum(self.histogram[rows], axis=1)
        enough = share >= QUANTILE * share[:, -1:]
        self.target[rows] = np.argmax(enough, axis=1) * BIN + FRAME

    def _sound(
        self, rows: Rows, held: NDArray[np.int64], depth: NDArray[np.int64]
    ) -> NDArray[np.int16]:
        """A frame of rows that have one, a little more or less of it where that is due."""
        self.level[rows] += SMOOTH * (held - self.level[rows])
        off = self.level[rows] - depth
        sound = rings.read(self.ring, rows, self.read[rows], FRAME + CUT)
        pcm = sound[:, :FRAME].copy()
        quiet = np.abs(pcm.astype(np.int32)).max(axis=1) < QUIET
        ample = held >= FRAME + 2 * CUT
        step = np.zeros(len(rows), np.int64)
        step[ample & (off > SLIGHT)] = 1
        step[off < -SLIGHT] = -1
        step[quiet & (off < -CUT)] = -CUT
        step[ample & ((quiet & (off > CUT)) | (off > GROSS))] = CUT
        for size in (-CUT, CUT):  # from the sound of this place into that of another
            some = step == size
            tail = sound[some, FRAME - CUT : FRAME]
            other = sound[some, FRAME - CUT + size : FRAME + size]
            pcm[some, FRAME - CUT :] = tail + (other.astype(np.int32) - tail) * _BLEND
        for size in (-1, 1):
            some = step == size
            place = _INDEX * (1 + size / FRAME)
            before = place.astype(np.int64)
            left, right = sound[some][:, before], sound[some][:, before + 1]
            pcm[some] = left + (right.astype(np.int32) - left) * (place - before)
        self.read[rows] += FRAME + step
        self.level[rows] -= step
        self.gap[rows] = 0
        self.concealment.remember(rows, pcm)
        return pcm

    def _concealed(self, rows: Rows) -> NDArray[np.int16]:
        self.underruns[rows] += self.gap[rows] == 0
        self.gap[rows] += 1
        stopped = rows[self.gap[rows] >= len(PERIODS)]
        self.running[stopped] = False
        self.gap[stopped] = 0
        return self.concealment.conceal(rows)
