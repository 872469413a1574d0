"""Linear PCM: levels, gain and mixing of 16-bit samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

FULL_SCALE = 32_768.0
SILENCE_DBFS = -120.0  # what digital silence measures


def clipped(samples: NDArray[Any]) -> Pcm:
    """Round and saturate samples on the 16-bit scale to int16."""
    whole: Pcm = np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
    return whole


def rms_dbfs(pcm: Pcm) -> float:
    """Root mean square level in dB below full scale; `SILENCE_DBFS` for silence."""
    if pcm.size == 0:
        return SILENCE_DBFS
    power = float(np.mean(np.square(pcm, dtype=np.float64))) / FULL_SCALE**2
    return max(10.0 * float(np.log10(power)), SILENCE_DBFS) if power > 0 else SILENCE_DBFS


def with_gain(pcm: Pcm, decibel: float) -> Pcm:
    """`pcm` louder by `decibel` (negative: softer), saturated."""
    return clipped(pcm.astype(np.float64) * 10.0 ** (decibel / 20.0))


def mono_mix(stereo: Pcm) -> Pcm:
    """Both channels of shape (samples, 2) as one: their saturated sum."""
    return clipped(stereo.astype(np.int32).sum(axis=1))
