"""Resampling speech by a polyphase FIR filter: streaming, with a steady, short delay.

The filter is a windowed sinc (Kaiser, β = 8) of `TAPS` taps a phase, cut off at 92 % of the lower
Nyquist frequency. At 8 kHz that is flat to 2.8 kHz, 2 dB down at 3.4 kHz, and nothing from above
4.7 kHz folds back; the delay is 1.5 ms (1.6 ms from 22.05 kHz).
"""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from .pcm import Pcm, clipped

TAPS = 24
_BETA = 8.0
_PASS = 0.92

Samples = NDArray[np.float64]


@lru_cache(maxsize=32)
def _phases(up: int, down: int) -> Samples:
    """The filter as rows of one phase each, time-reversed: shape (up, taps)."""
    taps = TAPS * max(1, -(-down // up))
    length = taps * up
    position = np.arange(length) - (length - 1) / 2
    cutoff = _PASS / max(up, down)
    prototype = np.sinc(position * cutoff) * np.kaiser(length, _BETA)
    phases = prototype.reshape(taps, up).T
    phases = phases / phases.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(phases[:, ::-1])


class Resampler:
    """Converts one stream from `source` to `target` samples per second, piece by piece."""

    def __init__(self, source: int, target: int) -> None:
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._filter = _phases(self._up, self._down)
        self._held: Samples = np.zeros(self._filter.shape[1] - 1)
        self._position = 0  # of the next output sample, in steps of 1/up input samples

    @property
    def delay(self) -> float:
        """How far the output lags behind the input at every frequency, in input samples."""
        return (self._filter.size - 1) / (2 * self._up)

    def feed(self, pcm: Pcm) -> Pcm:
        """Take the next input samples; gives the output samples that they complete."""
        samples = np.concatenate((self._held, pcm.astype(np.float64)))
        taps = self._filter.shape[1]
        steps = len(pcm) * self._up
        at = np.arange(self._position, steps, self._down)
        self._position = self._position + len(at) * self._down - steps
        self._held = samples[len(samples) - taps + 1 :]
        if not len(at):
            return np.zeros(0, np.int16)
        windows = np.lib.stride_tricks.sliding_window_view(samples, taps)[at // self._up]
        return clipped(np.einsum("ij,ij->i", windows, self._filter[at % self._up]))

    def finish(self) -> Pcm:
        """The tail that the filter still holds."""
        return self.feed(np.zeros(self._filter.shape[1] // 2, np.int16))


def resampled(pcm: Pcm, source: int, target: int) -> Pcm:
    """A whole clip at another rate, its delay taken off."""
    if source == target:
        return pcm
    resampler = Resampler(source, target)
    output = np.concatenate((resampler.feed(pcm), resampler.finish()))
    delay = round(resampler.delay * target / source)
    return output[delay : delay + -(-len(pcm) * target // source)]
