"""Tones of the telephone: DTMF pairs, single tones, silence; 8 kHz unless told."""

import numpy as np

from .pcm import FULL_SCALE, Pcm, clipped

RATE = 8_000

_ROWS = (697, 770, 852, 941)
_COLUMNS = (1209, 1336, 1477, 1633)
_KEYS = "123A456B789C*0#D"

DTMF = {key: (_ROWS[i // 4], _COLUMNS[i % 4]) for i, key in enumerate(_KEYS)}
"""The two frequencies of each key, Hz (ITU-T Q.23)."""


def tone(*frequencies: float, seconds: float, dbfs: float = -10.0, rate: int = RATE) -> Pcm:
    """The sum of sines, each at `dbfs` RMS."""
    time = np.arange(round(seconds * rate)) / rate
    amplitude = FULL_SCALE * 2**0.5 * 10.0 ** (dbfs / 20.0)
    waves = [amplitude * np.sin(2 * np.pi * f * time) for f in frequencies]
    return clipped(np.sum(waves, axis=0))


def dtmf(key: str, seconds: float = 0.1, dbfs: float = -13.0) -> Pcm:
    """The tone pair of a key of the telephone."""
    return tone(*DTMF[key], seconds=seconds, dbfs=dbfs)


def silence(seconds: float, rate: int = RATE) -> Pcm:
    """Digital silence."""
    return np.zeros(round(seconds * rate), np.int16)
