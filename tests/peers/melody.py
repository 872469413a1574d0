"""Sound that resembles nothing else, and how much of it came through."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aywa.codecs import wav

RATE = 8_000
SPEECH_S = 6.0


def melody(path: Path) -> Path:
    """Notes that nothing else resembles."""
    chance = np.random.default_rng(1)
    notes = chance.uniform(300, 1200, 60).repeat(int(SPEECH_S * RATE) // 60)
    samples = (np.sin(2 * np.pi * np.cumsum(notes) / RATE) * 8000).astype("<i2")
    path.write_bytes(wav.header(RATE, 1, samples.nbytes) + samples.tobytes())
    return path


def likeness(recorded: NDArray[np.int16], said: NDArray[np.int16]) -> float:
    """The best normalised correlation of the middle half of `said` anywhere in `recorded`."""
    whole = recorded.astype(np.float64)
    part = said[len(said) // 4 : 3 * len(said) // 4].astype(np.float64)
    size = len(whole) + len(part)
    scores = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    energy = np.concatenate([[0.0], np.cumsum(whole**2)])
    power = energy[len(part) :] - energy[: -len(part)]
    found = scores[: len(power)] / np.sqrt(np.maximum(power, 1.0) * np.sum(part**2))
    return float(found.max())
