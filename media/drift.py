"""Clock drift: how much faster or slower a peer's clock runs than ours.

A packet is never early. Of each window of time the packet with the least delay tells how far the
two clocks are apart, whatever the jitter of the others; a straight line through these points (least
squares) has the drift as its slope.
"""

import numpy as np
from numpy.typing import NDArray

from .streams import Columns, Rows, column

RATE = 8_000
WINDOW_TICKS = 250  # 5 s
WINDOWS = 12
"""Kept: one minute."""
LEAST = 4
"""Windows that it takes to say something."""
JUMP_S = 0.5
"""A difference of more is another clock, not drift."""


class Drift(Columns):
    """The least delays of each row, by window."""

    lag: NDArray[np.float64] = column(np.float64, default=np.inf)
    """Least arrival minus media time of the present window, seconds."""
    at: NDArray[np.float64] = column(np.float64)
    """When that packet arrived."""
    lags: NDArray[np.float64] = column(np.float64, WINDOWS)
    times: NDArray[np.float64] = column(np.float64, WINDOWS)
    count: NDArray[np.int64] = column(np.int64)
    """Windows written since the clock was another one."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = 0

    def note(self, rows: Rows, arrived: NDArray[np.float64], position: NDArray[np.int64]) -> None:
        """Frames of unique rows arrived, in seconds; `position` is the sender's time."""
        lag = arrived - position / RATE
        change = lag - self.lag[rows]  # −inf where a window begins
        less = change < 0
        jumped = np.abs(change) > JUMP_S
        if jumped.any():
            jumped &= np.isfinite(change)
            self.count[rows[jumped]] = 0
            less |= jumped
        some = rows[less]
        self.lag[some], self.at[some] = lag[less], arrived[less]

    def tick(self, rows: Rows) -> None:
        """A tick is over; every so often a window is."""
        self._ticks += 1
        if self._ticks % WINDOW_TICKS:
            return
        rows = rows[np.isfinite(self.lag[rows])]
        place = self.count[rows] % WINDOWS
        self.lags[rows, place], self.times[rows, place] = self.lag[rows], self.at[rows]
        self.count[rows] += 1
        self.lag[rows] = np.inf

    def ppm(self, row: int) -> float | None:
        """By how many millionths the peer's clock is fast; None if it is not known yet."""
        count = min(int(self.count[row]), WINDOWS)
        if count < LEAST:
            return None
        times, lags = self.times[row, :count], self.lags[row, :count]
        away = times - times.mean()
        return float(-(away @ lags) / (away @ away) * 1e6)
