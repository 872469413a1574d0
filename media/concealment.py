"""Packet-loss concealment: a lost frame is filled with the last pitch periods, fading to silence.

The algorithm of ITU-T G.711 Appendix I, on 20 ms frames and over all rows that lose one at once.
The period is found by normalised cross-correlation. Its end is overlap-added with what came before
its begin over a quarter of a period, so that it goes round without a click. A long loss goes round
more than one period, so that it does not hum. From 10 ms on the level falls by 20 % each 10 ms, to
silence after 60 ms. The first good frame is overlap-added with the continued period.

Where this differs, the score of speech under loss says so (`bench/concealment.py`):

- No delay. The appendix holds back 3.75 ms of good sound to overlap-add them with the period when
  the next frame is lost. Here they are with the recogniser already, so the period begins where it
  joins without a step: raised by the distance of the last sample from the one a period earlier, and
  let down over a quarter of the period. The delay would add 0.005 to 0.02 of PESQ and no STOI.
- The period is measured in quarters of a sample, so that the pitch stays. The correlation is over
  15 ms, the longest period, and weighs the newest samples most: the period is looked for that fits
  at the join. Together they win back what the delay would give.
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
MADE = len(PERIODS) * FRAME
KEPT_FRAMES = 2  # two of the longest periods and a quarter are needed; a power of two
HISTORY = KEPT_FRAMES * FRAME
MAX_OVERLAP = MAX_LAG // 4  # 3.75 ms
FINE = 4
"""Points between two samples at which a period may end."""

LEAST_ENERGY = 250.0
"""Windows of less are silence, in which no period is looked for."""

Pcm = NDArray[np.int16]
Sound = NDArray[np.float32]
Lags = NDArray[np.int64]
"""Periods in points: samples times FINE."""

_TAPS = 8
_LONG = FRAME + MAX_OVERLAP
_SPAN = np.arange(_LONG) * FINE
_STEPS = np.arange(1, MAX_OVERLAP + 1, dtype=np.float32)
_WEIGHT: Sound = ((np.arange(WINDOW) + 1) / WINDOW).astype(np.float32) ** 2
_AFTER_MS = np.arange(MADE + MAX_OVERLAP) / 8
_GAIN = np.clip(1 - 0.2 * np.maximum(_AFTER_MS / 10 - 1, 0), 0, 1).astype(np.float32)


def _interpolation() -> Sound:
    """Taps for the points after each sample, shape (taps, FINE): a windowed sinc."""
    away = np.arange(_TAPS)[:, None] - _TAPS // 2 + 1 - np.arange(FINE) / FINE
    taps: Sound = (np.sinc(away) * np.cos(np.pi * away / (_TAPS + 1)) ** 2).astype(np.float32)
    return taps


_BETWEEN = _interpolation()


class Concealment(Columns):
    """The last sound of each row, and how it goes on while frames are lost."""

    history: Pcm = column(np.int16, KEPT_FRAMES, FRAME)
    """A ring of frames, made ones among them."""
    newest: NDArray[np.int64] = column(np.int64)
    made: NDArray[np.int64] = column(np.int64)
    """Frames made in a row; no more are counted than sound."""
    overlap: NDArray[np.int64] = column(np.int64)
    """Samples, a quarter of the period."""
    continued: Pcm = column(np.int16, MADE + MAX_OVERLAP, scratch=True)
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
        at = np.minimum(made, len(PERIODS) - 1)[:, None] * FRAME + np.arange(FRAME)
        pcm: Pcm = np.where((made < len(PERIODS))[:, None], self.continued[rows[:, None], at], 0)
        self.made[rows] = np.minimum(made + 1, len(PERIODS))
        self._push(rows, pcm)
        return pcm

    def _begin(self, rows: Rows) -> None:
        order = (self.newest[rows][:, None] + 1 + np.arange(KEPT_FRAMES)) % KEPT_FRAMES
        frames = self.history[rows[:, None], order]
        history = frames.reshape(len(rows), HISTORY).astype(np.float32)
        lag, points = pitch_lags(history), between(history)
        sound = continuation(points, lag, lead(points, lag))
        self.overlap[rows] = overlaps(lag)
        self.continued[rows] = np.clip(np.rint(sound), -32_768, 32_767)

    def _push(self, rows: Rows, pcm: Pcm) -> None:
        newest = (self.newest[rows] + 1) & (KEPT_FRAMES - 1)
        # One index moves faster than two.
        self.history.reshape(-1, FRAME)[rows * KEPT_FRAMES + newest] = pcm
        self.newest[rows] = newest


def pitch_lags(history: Sound) -> Lags:
    """The lag at which each row's newest sound is most like older sound, of shape (rows, 320).

    Between samples the likeness is taken for a parabola.
    """
    older = history[:, -WINDOW - MAX_LAG : -MIN_LAG].astype(np.float64)
    product = _correlated(older, history[:, -WINDOW:] * _WEIGHT)
    energy = _correlated(older**2, _WEIGHT[None])
    likeness = product / np.sqrt(np.maximum(energy, LEAST_ENERGY))
    best = np.argmax(likeness, axis=1)
    middle = np.clip(best, 1, MAX_LAG - MIN_LAG - 1)
    a, b, c = (likeness[np.arange(len(best)), middle + side] for side in (-1, 0, 1))
    bend = a - 2 * b + c
    # At the shortest and the longest lag there is no parabola to be seen.
    peak = (best == middle) & (bend < 0)
    beside = np.where(peak, (a - c) / 2 / np.where(peak, bend, 1), 0)
    lag: Lags = np.rint((MAX_LAG - best - beside) * FINE).astype(np.int64)
    return lag


def _correlated(older: NDArray[np.float64], newest: Sound) -> NDArray[np.float64]:
    """Sums of products of `newest` with each window of `older`, by their spectra.

    A window never reaches beyond the end, so nothing of what goes round in the transform is seen.
    """
    size = older.shape[1]
    spectrum = np.fft.rfft(older) * np.fft.rfft(newest.astype(np.float64), size).conj()
    return np.fft.irfft(spectrum, size)[:, : MAX_LAG - MIN_LAG + 1]


def between(history: Sound) -> Sound:
    """The history with FINE points a sample."""
    padded = np.pad(history, ((0, 0), (_TAPS // 2 - 1, _TAPS // 2)), mode="edge")
    points: Sound = sliding_window_view(padded, _TAPS, axis=1) @ _BETWEEN
    return points.reshape(len(history), -1)


def overlaps(lag: Lags) -> NDArray[np.int64]:
    """A quarter of each period, in samples."""
    return lag // (4 * FINE)


def lead(points: Sound, lag: Lags) -> Sound:
    """How the period begins after the last good sample without a step, shape (rows, 30)."""
    row = np.arange(len(points))[:, None]
    begin = points.shape[1] - lag[:, None]
    step = points[:, -FINE, None] - points[row, begin - FINE]
    sound: Sound = points[row, begin + _SPAN[:MAX_OVERLAP]] + step
    return sound


def continuation(points: Sound, lag: Lags, begin: Sound) -> Sound:
    """How each row's sound goes on after its history, 60 ms and silence, shape (rows, 510).

    `points` is what `between` gave; `begin` is faded into the period over its first quarter.
    """
    sound = np.zeros((len(points), MADE + MAX_OVERLAP), np.float32)
    sound[:, :MAX_OVERLAP] = begin
    for number, periods in enumerate(PERIODS):
        at = number * FRAME
        part = _loop(points, lag, periods, at)
        tail = sound[:, at : at + MAX_OVERLAP]
        part[:, :MAX_OVERLAP] = _faded(tail, part[:, :MAX_OVERLAP], overlaps(lag))
        sound[:, at : at + _LONG] = part
    return sound * _GAIN


def _loop(points: Sound, lag: Lags, periods: int, begin: int) -> Sound:
    """190 samples of the last periods going round, in phase with sound `begin` samples after them.

    The last quarter of a period fades into what came before the loop.
    """
    length, overlap = periods * lag[:, None], FINE * overlaps(lag)[:, None]
    at = (FINE * begin % lag[:, None] + _SPAN) % length
    weight = ((at - length + (overlap + 1)) / (overlap + 1)).astype(np.float32)
    np.clip(weight, 0, 1, out=weight)
    at += np.arange(1, len(points) + 1)[:, None] * points.shape[1] - length
    sound = points.take(at)
    # Where the weight is 0 this may be any place of the array.
    before = points.take(at - length, mode="wrap")
    faded: Sound = sound + weight * (before - sound)
    return faded


def _faded(out: Pcm | Sound, into: Pcm | Sound, overlap: NDArray[np.int64]) -> Sound:
    """One sound faded into another, shape (rows, 30), over the first `overlap` samples of each."""
    weight = np.minimum(_STEPS / (overlap[:, None] + 1), 1).astype(np.float32)
    faded: Sound = out * (1 - weight) + into * weight
    return faded
