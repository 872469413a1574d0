"""The recorder: stereo, caller left and assistant right, on one sample clock.

Sample 0 is the moment the stream was opened, or up to a tick before. The right channel is placed by
the tick that sent it, the left one by the sender's timestamps: the first packet anchors the
sender's clock to ours, and only a difference of more than `DRIFT` moves the anchor, so that network
jitter does not cut the sound. The fastest packet of a tick is what counts: a burst after a stall in
the network is late but for its last packet, and belongs where it was spoken. A window of less than
half a second is kept per row and written out block by block: each row has its turn, and those whose
turn it is are cut out together.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from . import rings
from .streams import Columns, Rows, column

RATE = 8_000
FRAME = 160
DRIFT = 640  # samples, 80 ms
TURNS = 6  # ticks from one block of a row to its next
BEHIND = 12  # frames, 0.24 s, that late packets may still change
SENT_WINDOW = BEHIND + TURNS  # frames: up to the one that is being sent
HEARD_WINDOW = SENT_WINDOW + 2 * DRIFT // FRAME + 1
"""Frames: the anchor may be off by so much, and our clock behind by as much again."""
CROWD = 64  # rows that are cut out at once; more would only take more memory

_NONE = np.iinfo(np.int64).max


class Recorder(Columns):
    """The window of each row."""

    left: NDArray[np.int16] = column(np.int16, HEARD_WINDOW * FRAME)
    """The caller."""
    right: NDArray[np.int16] = column(np.int16, SENT_WINDOW, FRAME)
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
    """Frames: where the next sent one is placed."""
    furthest: NDArray[np.int64] = column(np.int64)
    """Frames: after the last one that was sent."""
    running: NDArray[np.bool_] = column(np.bool_)
    written: NDArray[np.int64] = column(np.int64)
    """Frames."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = 0

    def open(self, row: int, now: float) -> None:
        """Begin to record the row."""
        self.enabled[row] = True
        self.began[row] = now

    def tick(self, rows: Rows, now: float) -> None:
        """A tick begins: the clock of every recorded row moves on by one frame."""
        self._ticks += 1
        late = (now - self.began[rows]) * RATE / FRAME
        # The clock counts frames; only a stall of the process itself makes it jump.
        fresh = ~self.running[rows]
        # Sample 0 is never after the opening: the first packet must not fall before it.
        place = np.where(fresh, np.ceil(late), np.rint(late)).astype(np.int64)
        jump = fresh | (np.abs(late - self.clock[rows] - 1) > DRIFT / FRAME)
        self.clock[rows] = np.where(jump, place, self.clock[rows] + 1)
        if fresh.any():
            begun = rows[fresh]
            self.running[begun] = True
            self.began[begun] = now - place[fresh] * FRAME / RATE

    def sent(self, rows: Rows, pcm: NDArray[np.int16], active: NDArray[np.bool_]) -> None:
        """Keep what the rows send in this tick; frames that are not `active` are silent."""
        clock, furthest = self.clock[rows], self.furthest[rows]
        # Silence is there already, unless the clock went back after a stall.
        some = np.flatnonzero(self.enabled[rows] & (active | (clock < furthest)))
        self.furthest[rows] = np.maximum(furthest, clock + 1)
        rows, pcm = rows[some], pcm[some]
        if self.muted[rows].any():
            pcm = np.where(self.muted[rows][:, None], np.int16(0), pcm)
        self.right[rows, clock[some] % SENT_WINDOW] = pcm

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
        place, written = self.anchor[rows] + position, self.written[rows] * FRAME
        fits = passed & self.enabled[rows] & ~self.muted[rows] & (place >= written)
        fits &= place + FRAME <= written + HEARD_WINDOW * FRAME
        if not fits.all():
            rows, place, pcm = rows[fits], place[fits], pcm[fits]
        rings.write(self.left, rows, place, pcm)

    def forget_anchor(self, rows: Rows) -> None:
        """The sender's clock began anew."""
        self.anchored[rows] = False
        self.fastest[rows] = _NONE

    def blocks(self, rows: Rows) -> Iterator[tuple[int, bytes]]:
        """The rows whose turn it is, and the next samples of each; call after `tick`.

        Little-endian stereo. What waits is cut before anything is placed, so that there is room
        for it after a stall of the process too.
        """
        rows = rows[self.enabled[rows]]
        waiting = self.clock[rows] - self.written[rows]
        due = (rows % TURNS == self._ticks % TURNS) | (waiting >= BEHIND + TURNS)
        count = np.where(due, waiting - BEHIND, 0)
        for one in np.unique(count[count > 0]).tolist():
            mine = rows[count == one]
            for begin in range(0, len(mine), CROWD):
                crowd = mine[begin : begin + CROWD]
                yield from zip(crowd.tolist(), self._cut_out(crowd, one), strict=True)

    def rest(self, row: int) -> bytes:
        """All samples of the row that are left."""
        frames = int(self.clock[row]) + 1 - int(self.written[row])
        if not self.enabled[row] or frames <= 0:
            return b""
        return self._cut_out(np.array([row]), frames)[0]

    def _cut_out(self, rows: Rows, frames: int) -> list[bytes]:
        """The next frames of unique rows; silence takes their place."""
        left, right = self._taken(self.left, rows, frames), self._taken(self.right, rows, frames)
        # Both channels at once: as the low and the high half of little-endian words.
        samples = right.astype("<u4")
        samples <<= 16
        samples |= left
        self.written[rows] += frames
        return [one.tobytes() for one in samples]

    def _taken(self, window: NDArray[np.int16], rows: Rows, frames: int) -> NDArray[np.uint16]:
        """The next frames of one channel, shape (rows, frames, 160); a silent window is left."""
        ring = window.reshape(len(window), -1, FRAME).view(np.uint16)
        kept = min(frames, ring.shape[1])
        at = rows[:, None], (self.written[rows][:, None] + np.arange(kept)) % ring.shape[1]
        taken: NDArray[np.uint16] = ring[at]
        ring[at] = 0
        if kept == frames:
            return taken
        # A stall longer than the window leaves silence, not old sound.
        return np.pad(taken, ((0, 0), (0, frames - kept), (0, 0)))
