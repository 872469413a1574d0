"""The recorder: stereo, caller left and assistant right, on one sample clock.

Sample 0 is the moment the stream was opened. The right channel is placed by the tick that sent it,
the left one where its packets arrived: the first packet anchors the sender's clock to ours, and
only a difference of more than `DRIFT` moves the anchor, so that network jitter does not cut the
sound. A window of two seconds is kept per row and written out block by block.
"""

import numpy as np
from numpy.typing import NDArray

from .streams import Columns, Rows, column

RATE = 8_000
FRAME = 160
WINDOW = 16_384  # samples, 2 s
DRIFT = 640  # samples, 80 ms
BLOCK = 8_000  # samples written at a time
BEHIND = 4_000  # samples that late packets may still change

_SPAN = np.arange(FRAME)


class Recorder(Columns):
    """The window of each row."""

    window: NDArray[np.int16] = column(np.int16, WINDOW, 2)
    enabled: NDArray[np.bool_] = column(np.bool_)
    began: NDArray[np.float64] = column(np.float64)
    anchor: NDArray[np.int64] = column(np.int64)
    anchored: NDArray[np.bool_] = column(np.bool_)
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
        some = self.enabled[rows]
        self._place(rows[some], self.clock[rows[some]], pcm[some], 1)

    def heard(
        self,
        rows: Rows,
        position: NDArray[np.int64],
        arrived: NDArray[np.float64],
        pcm: NDArray[np.int16],
    ) -> None:
        """Keep frames of unique rows; `position` is media time, `arrived` monotonic seconds."""
        some = self.enabled[rows]
        rows, position, pcm = rows[some], position[some], pcm[some]
        arrival = np.rint((arrived[some] - self.began[rows]) * RATE).astype(np.int64)
        off = ~self.anchored[rows] | (np.abs(self.anchor[rows] + position - arrival) > DRIFT)
        self.anchor[rows] = np.where(off, arrival - position, self.anchor[rows])
        self.anchored[rows] = True
        self._place(rows, self.anchor[rows] + position, pcm, 0)

    def forget_anchor(self, rows: Rows) -> None:
        """The sender's clock began anew."""
        self.anchored[rows] = False

    def due(self, rows: Rows) -> Rows:
        """The rows with a block to write."""
        return rows[self.enabled[rows] & (self.clock[rows] - self.written[rows] >= BLOCK + BEHIND)]

    def block(self, row: int, *, final: bool = False) -> bytes:
        """The next samples of the row, little-endian stereo; with `final` all that are left."""
        end = int(self.clock[row]) - (0 if final else BEHIND)
        begin = int(self.written[row])
        if not self.enabled[row] or end <= begin:
            return b""
        # A stall longer than the window leaves silence, not old sound.
        pad = max(end - begin - WINDOW, 0)
        at = np.arange(begin + pad, end) % WINDOW
        samples = self.window[row, at]
        self.window[row, at] = 0
        self.written[row] = end
        data: bytes = samples.astype("<i2").tobytes()
        return bytes(4 * pad) + data

    def _place(
        self, rows: Rows, place: NDArray[np.int64], pcm: NDArray[np.int16], channel: int
    ) -> None:
        fits = (place >= self.written[rows]) & (place + FRAME <= self.written[rows] + WINDOW)
        rows, at = rows[fits], place[fits]
        cells = (at[:, None] + _SPAN) % WINDOW
        self.window[rows[:, None], cells, channel] = pcm[fits]
