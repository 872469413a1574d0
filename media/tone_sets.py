"""Which tones a window of sound is made of: those of call progress and of fax machines.

A tone may lie anywhere in a band around its frequency. All that sines of one band can be within a
window of 40 ms lies, nearly, in a space of a few dimensions, of which an orthonormal basis is made
here once. The energy of a window in a band is then that of its projection, whichever frequency and
phase the tone really has, and the energies of all bands and rows are one matrix product. A window
holds a set of tones if nearly all of its energy is in the set's bands, and neither tone of a pair
could be left out. With so short a window the edges of a band are soft: what is 3.5 % off may pass,
so "425" stands for tones from 410 to 440 Hz.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..codecs.tones import RATE

WINDOW = 320
PURITY = 0.80
"""Share of the energy that the tones must have."""
WEAKER = 0.08
"""Share of it that would be missing without the softer tone of a pair: some 10 dB below."""
MIN_DBFS = -36.0
"""Level that a window must reach (RMS, relative to full scale)."""
NONE = -1

_OFF = 0.015  # of the frequency, both ways
_KEPT = 0.995  # share of a band's energy that its basis holds
_SINES = 9  # that stand for all of a band
_FLOOR = WINDOW * 32_768.0**2 * 10 ** (MIN_DBFS / 10)

Tones = Literal[
    "425", "440+480", "400+450", "480+620", "350+440", "950", "1400", "1800", "1100", "2100"
]
"""Frequencies in Hz of the sets (E.180 Supplement 2; E.180 for special information; T.30)."""
SETS: tuple[Tones, ...] = get_args(Tones)
_WIDE_HZ = {950.0: 50.0, 1400.0: 50.0, 1800.0: 50.0, 1100.0: 38.0}
"""What the Recommendations allow (E.180 for special information, T.30 for the calling tone)."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What each row's window holds: index into SETS or NONE, and its energy (sum of squares)."""

    tones: NDArray[np.int64]
    energy: NDArray[np.float32]


def heard(windows: NDArray[np.float32]) -> Windows:
    """Judge one window for each row, shape (rows, 320)."""
    energy = np.einsum("ij,ij->i", windows, windows)
    projected = windows @ _BASIS
    inside = np.add.reduceat(projected * projected, _BEGIN, axis=1)
    whole = inside[:, _WHOLE]
    softer = np.where(_PAIRED, whole - inside[:, _PARTS].max(axis=2), whole)
    good = (whole >= PURITY * energy[:, None]) & (softer >= WEAKER * whole)
    good &= energy[:, None] >= _FLOOR
    best = np.argmax(whole * good, axis=1)
    return Windows(np.where(good.any(axis=1), best, NONE), energy)


def _waves(hz: float) -> NDArray[np.float64]:
    """Sines and cosines of the band around a frequency, shape (many, 320)."""
    wide = _WIDE_HZ.get(hz, hz * _OFF)
    band = np.linspace(hz - wide, hz + wide, _SINES)
    angle = 2 * np.pi * np.outer(band, np.arange(WINDOW)) / RATE
    waves: NDArray[np.float64] = np.vstack([np.cos(angle), np.sin(angle)])
    return waves


def _space(band: tuple[float, ...]) -> NDArray[np.float64]:
    """Orthonormal basis of what tones of these frequencies can be, shape (320, dimensions)."""
    _, strength, basis = np.linalg.svd(np.vstack([_waves(hz) for hz in band]), full_matrices=False)
    share = np.cumsum(strength**2) / np.sum(strength**2)
    space: NDArray[np.float64] = basis[: int(np.searchsorted(share, _KEPT)) + 1].T
    return space


_TUNED = [tuple(float(hz) for hz in tones.split("+")) for tones in SETS]
_BANDS = sorted({*_TUNED, *((hz,) for tuned in _TUNED for hz in tuned)})
_SPACES = [_space(band) for band in _BANDS]
_BASIS = np.hstack(_SPACES).astype(np.float32)
_BEGIN = np.cumsum([0, *(space.shape[1] for space in _SPACES[:-1])])
"""Where each band's columns begin."""
_PAIRED = np.array([len(tuned) == 2 for tuned in _TUNED])
_WHOLE = np.array([_BANDS.index(tuned) for tuned in _TUNED])
_PARTS = np.array([[_BANDS.index((tuned[side],)) for side in (0, -1)] for tuned in _TUNED])
