"""Packet-loss concealment: a lost frame is filled with the last pitch periods, fading to silence.

The algorithm of ITU-T G.711 Appendix I, on 20 ms frames and over all rows that lose one at once.
The period is found by normalised cross-correlation, at half the rate first. Its end is
overlap-added with what came before its begin over a quarter of a period, so that it goes round
without a click. A long loss goes round more than one period, so that it does not hum. From 10 ms on
the level falls by 20 % each 10 ms, to silence after 60 ms. The first good frame is overlap-added
with the continued period.

Where this differs, the score of speech under loss says so (`bench/concealment.py`):

- No delay. The appendix holds back 3.75 ms of good sound to overlap-add them with the period when
  the next frame is lost. Here they are with the recogniser already, so the period begins where it
  joins without a step: raised by the distance of the last sample from the one a period earlier, and
  let down over a quarter of the period.
- The correlation is over 15 ms, the longest period, and weighs the newest samples most: the period
  is looked for that fits at the join. This is worth more than the delay.
- The second period is added after 40 ms instead of 10 ms and no third, as older sound is less like
  what was lost; and the overlap into the good frame does not grow with the loss, as good sound is
  better than made sound.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .streams import Columns, Rows, column

FRAME = 160
MIN_LAG, MAX_LAG = 40, 120  # samples: 200 to 66 Hz
WINDOW = 120  # samples that are correlated
PERIODS = (1, 1, 2)
"""How many periods go round in the first lost frame and those after it; then all is silent."""
FRAMES = len(PERIODS)
HISTORY = FRAMES * FRAME  # samples; two of the longest periods and a quarter are needed
MAX_OVERLAP = MAX_LAG // 4  # 3.75 ms

LEAST_ENERGY = 250.0
"""Windows of less are silence, in which no period is looked for."""

Pcm = NDArray[np.int16]
Sound = NDArray[np.float32]
Lags = NDArray[np.int64]

_LONG = FRAME + MAX_OVERLAP
_SPAN = np.arange(_LONG)
_STEPS = np.arange(1, MAX_OVERLAP + 1, dtype=np.float32)
_WEIGHT: Sound = ((np.arange(WINDOW) + 1) / WINDOW).astype(np.float32) ** 2
_AFTER_MS = np.arange(HISTORY + MAX_OVERLAP) / 8
_GAIN = np.clip(1 - 0.2 * np.maximum(_AFTER_MS / 10 - 1, 0), 0, 1).astype(np.float32)


class Concealment(Columns):
    """The last sound of each row, and how it goes on while frames are lost."""

    history: Pcm = column(np.int16, FRAMES, FRAME)
    """A ring of frames, made ones among them."""
    newest: NDArray[np.int64] = column(np.int64)
    made: NDArray[np.int64] = column(np.int64)
    """Frames made in a row; no more are counted than sound."""
    overlap: Lags = column(np.int64)
    """Samples, a quarter of the period."""
    continued: Pcm = column(np.int16, HISTORY + MAX_OVERLAP, scratch=True)
    """What is heard from the first lost frame on; written when it is lost."""

    def remember(self, rows: Rows, pcm: Pcm) -> None:
        """Keep good frames of unique rows, shape (rows, 160); overlap-adds one after a loss.

        Works in place: `pcm` may be changed.
        """
        index = np.flatnonzero(self.made[rows])
        if len(index):
            lossy = rows[index]
            at = self.made[lossy][:, None] * FRAME + np.arange(MAX_OVERLAP)
            made = self.continued[lossy[:, None], at]
            joined = _faded(made, pcm[index, :MAX_OVERLAP], self.overlap[lossy])
            pcm[index, :MAX_OVERLAP] = np.rint(joined)
            self.made[lossy] = 0
        self._push(rows, pcm)

    def conceal(self, rows: Rows) -> Pcm:
        """Frames in the place of lost ones, for unique rows."""
        begun = rows[self.made[rows] == 0]
        if len(begun):
            self._begin(begun)
        made = self.made[rows]
        at = np.minimum(made, FRAMES - 1)[:, None] * FRAME + np.arange(FRAME)
        pcm: Pcm = np.where((made < FRAMES)[:, None], self.continued[rows[:, None], at], 0)
        self.made[rows] = np.minimum(made + 1, FRAMES)
        self._push(rows, pcm)
        return pcm

    def _begin(self, rows: Rows) -> None:
        order = (self.newest[rows][:, None] + 1 + np.arange(FRAMES)) % FRAMES
        frames = self.history[rows[:, None], order]
        history = frames.reshape(len(rows), HISTORY).astype(np.float32)
        lag = pitch_lags(history)
        sound = continuation(history, lag, lead(history, lag))
        self.overlap[rows] = lag // 4
        self.continued[rows] = np.clip(np.rint(sound), -32_768, 32_767)

    def _push(self, rows: Rows, pcm: Pcm) -> None:
        newest = (self.newest[rows] + 1) % FRAMES
        self.history[rows, newest] = pcm
        self.newest[rows] = newest


def pitch_lags(history: Sound) -> Lags:
    """The lag at which each row's newest sound is most like older sound, of shape (rows, 480)."""
    older, newest = history[:, -WINDOW - MAX_LAG + 1 :], history[:, -WINDOW:]
    coarse = _likeness(older[:, : 1 - MIN_LAG : 2], newest[:, 1::2], _WEIGHT[1::2])
    lag = MAX_LAG - 2 * np.argmax(coarse, axis=1)
    near = np.clip(lag - 1, MIN_LAG, MAX_LAG - 2)  # the three lags around it
    row = np.arange(len(history))
    at = HISTORY - WINDOW - 2 - near[:, None] + np.arange(WINDOW + 2)
    fine = _likeness(history[row[:, None], at], newest, _WEIGHT)
    found: Lags = near + 2 - np.argmax(fine, axis=1)
    return found


def lead(history: Sound, lag: Lags) -> Sound:
    """How the period begins after the last good sample without a step, shape (rows, 30)."""
    row = np.arange(len(history))
    step = history[:, -1] - history[row, HISTORY - 1 - lag]
    at = HISTORY - lag[:, None] + np.arange(MAX_OVERLAP)
    begin: Sound = history[row[:, None], at] + step[:, None]
    return begin


def continuation(history: Sound, lag: Lags, begin: Sound) -> Sound:
    """How each row's sound goes on after its history, 60 ms and silence, shape (rows, 510).

    `begin` is faded into the period over its first quarter.
    """
    sound = np.zeros((len(history), HISTORY + MAX_OVERLAP), np.float32)
    sound[:, :MAX_OVERLAP] = begin
    for number, periods in enumerate(PERIODS):
        at = number * FRAME
        part = _loop(history, lag, periods, at)
        tail = sound[:, at : at + MAX_OVERLAP]
        part[:, :MAX_OVERLAP] = _faded(tail, part[:, :MAX_OVERLAP], lag // 4)
        sound[:, at : at + _LONG] = part
    return sound * _GAIN


def _likeness(sound: Sound, newest: Sound, weight: Sound) -> Sound:
    """Cross-correlation of `newest` with each window of `sound`, free of the older one's level."""
    width = len(weight)
    product = sliding_window_view(sound, width, axis=1) @ (newest * weight)[:, :, None]
    energy = sliding_window_view(sound**2, width, axis=1) @ weight
    likeness: Sound = product[:, :, 0] / np.sqrt(np.maximum(energy, LEAST_ENERGY))
    return likeness


def _loop(history: Sound, lag: Lags, periods: int, begin: int) -> Sound:
    """190 samples of the last periods going round, in phase with sound `begin` samples after them.

    The last quarter of a period fades into what came before the loop.
    """
    length, overlap = periods * lag[:, None], lag[:, None] // 4
    at = (begin % lag[:, None] + _SPAN) % length
    row = np.arange(len(history))[:, None]
    weight = np.clip((at - length + overlap + 1) / (overlap + 1), 0, 1).astype(np.float32)
    sound = history[row, HISTORY - length + at]
    # Where the weight is 0 the place is of no account and may be counted from the end.
    before = history[row, HISTORY - 2 * length + at]
    faded: Sound = sound + weight * (before - sound)
    return faded


def _faded(out: Pcm | Sound, into: Pcm | Sound, overlap: Lags) -> Sound:
    """One sound faded into another, shape (rows, 30), over the first `overlap` samples of each."""
    weight = np.minimum(_STEPS / (overlap[:, None] + 1), 1).astype(np.float32)
    faded: Sound = out * (1 - weight) + into * weight
    return faded
