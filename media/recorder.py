"""The recorder: stereo, caller left and assistant right, on one sample clock.

Sample 0 is the moment the stream was opened. The right channel is placed by the tick that sent it,
the left one by the sender's timestamps: the first packet anchors the sender's clock to ours, and
only a difference of more than `DRIFT` moves the anchor, so that network jitter does not cut the
sound. The fastest packet of a tick is what counts: a burst after a stall in the network is late but
for its last packet, and belongs where it was spoken. A window of two seconds is kept per row and
written out block by block.
"""

import numpy as np
from numpy.typing import NDArray

from . import rings
from .streams import Columns, Rows, column

RATE = 8_000
FRAME = 160
WINDOW = 16_384  # samples, 2 s
DRIFT = 640  # samples, 80 ms
BLOCK = 8_000  # samples written at a time
BEHIND = 4_000  # samples that late packets may still change
TURNS = 16  # ticks in which every row gets to write its block
FULL = WINDOW - 8 * FRAME  # samples; after a stall nobody waits for a turn

_NONE = np.iinfo(np.int64).max


class Recorder(Columns):
    """The window of each row."""

    left: NDArray[np.int16] = column(np.int16, WINDOW)
    """The caller."""
    right: NDArray[np.int16] = column(np.int16, WINDOW)
    """The assistant."""
    enabled: NDArray[np.bool_] = column(np.bool_)
    muted: NDArray[np.bool_] = column(np.bool_)
    """What is said meanwhile is not kept; time goes on."""
    began: NDArray[np.float64] = column(np.float64)
    anchor: NDArray[np.int64] = column(np.int64)
    """Our sample at the sender's sample 0."""
    anchored: NDArray[np.bool_] = column(np.bool_)
    fastest: NDArray[np.int64] = column(np.int64, default=_NONE)
    """The anchor that the fastest packet of this tick suggests."""
    clock: NDArray[np.int64] = column(np.int64)
    """Where the next sent frame is placed."""
    running: NDArray[np.bool_] = column(np.bool_)
    written: NDArray[np.int64] = column(np.int64)

    def open(self, row: int, now: float) -> None:
        """Begin to record the row."""
        self.enabled[row] = True
        self.began[row] = now

    def tick(self, rows: Rows, now: float) -> None:
        """A tick begins: the clock of every recorded row moves on by one frame."""
        late = (now - self.began[rows]) * RATE
        # The clock counts frames; only a stall of the process itself makes it jump.
        place = np.rint(late).astype(np.int64)
        jump = ~self.running[rows] | (np.abs(place - self.clock[rows] - FRAME) > DRIFT)
        self.clock[rows] = np.where(jump, place, self.clock[rows] + FRAME)
        self.running[rows] = True

    def sent(self, rows: Rows, pcm: NDArray[np.int16]) -> None:
        """Keep what the rows send in this tick."""
        self._place(self.right, rows, self.clock[rows], pcm, self._keeps(rows))

    def arrived(self, rows: Rows, position: NDArray[np.int64], at: NDArray[np.float64]) -> None:
        """Packets of unique rows came: the sender's time of each, monotonic seconds of ours."""
        arrival = np.rint((at - self.began[rows]) * RATE).astype(np.int64)
        self.fastest[rows] = np.minimum(self.fastest[rows], arrival - position)

    def settle(self, rows: Rows) -> None:
        """Every packet of the tick came: move the anchors that are off."""
        rows = rows[self.fastest[rows] != _NONE]
        fastest = self.fastest[rows]
        off = ~self.anchored[rows] | (np.abs(fastest - self.anchor[rows]) > DRIFT)
        self.anchor[rows] = np.where(off, fastest, self.anchor[rows])
        self.anchored[rows] = True
        self.fastest[rows] = _NONE

    def heard(
        self,
        rows: Rows,
        position: NDArray[np.int64],
        pcm: NDArray[np.int16],
        passed: NDArray[np.bool_],
    ) -> None:
        """Keep those frames of unique rows that `passed`; `position` is the sender's time."""
        place = self.anchor[rows] + position
        self._place(self.left, rows, place, pcm, passed & self._keeps(rows))

    def forget_anchor(self, rows: Rows) -> None:
        """The sender's clock began anew."""
        self.anchored[rows] = False
        self.fastest[rows] = _NONE

    def due(self, rows: Rows) -> Rows:
        """The rows with a block to write in this tick; those of a crowd take turns."""
        waiting = np.where(self.enabled[rows], self.clock[rows] - self.written[rows], 0)
        due = rows[waiting >= BLOCK + BEHIND]
        if waiting.max(initial=0) >= FULL:
            return due
        return due[: len(rows) // TURNS + 1]

    def block(self, row: int, *, final: bool = False) -> bytes:
        """The next samples of the row, little-endian stereo; with `final` all that are left."""
        end = int(self.clock[row]) + (FRAME if final else -BEHIND)
        begin = int(self.written[row])
        if not self.enabled[row] or end <= begin:
            return b""
        # A stall longer than the window leaves silence, not old sound.
        pad = max(end - begin - WINDOW, 0)
        first, last = (begin + pad) % WINDOW, (end - 1) % WINDOW + 1
        pieces = [slice(first, last)] if first < last else [slice(first, None), slice(last)]
        data = b"".join(self._cut_out(row, piece) for piece in pieces)
        self.written[row] = end
        return bytes(4 * pad) + data

    def _keeps(self, rows: Rows) -> NDArray[np.bool_]:
        keeps: NDArray[np.bool_] = self.enabled[rows] & ~self.muted[rows]
        return keeps

    def _cut_out(self, row: int, piece: slice) -> bytes:
        """The samples as they are written; silence takes their place."""
        left, right = self.left[row, piece], self.right[row, piece]
        samples = np.empty((len(left), 2), "<i2")
        samples[:, 0], samples[:, 1] = left, right
        left[:] = right[:] = 0
        return samples.tobytes()

    def _place(
        self,
        channel: NDArray[np.int16],
        rows: Rows,
        place: NDArray[np.int64],
        pcm: NDArray[np.int16],
        wanted: NDArray[np.bool_],
    ) -> None:
        written = self.written[rows]
        fits = wanted & (place >= written) & (place + FRAME <= written + WINDOW)
        if not fits.all():
            rows, place, pcm = rows[fits], place[fits], pcm[fits]
        rings.write(channel, rows, place, pcm)
