"""Speech brought to telephone level, without the silence around it."""

from dataclasses import dataclass

import numpy as np

from ...codecs.pcm import rms_dbfs, with_gain
from ..protocols import Pcm

LEVEL_DBFS = -20.0  # of the parts that sound
PEAK_DBFS = -1.0  # no sample louder
LEAD = 160  # samples kept before the first sound: 20 ms
TAIL = 1_200  # and after the last one: 150 ms
FRAME = 160
ACTIVE_DB = 30.0  # frames less than this below the loudest one sound


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The samples, and how many were cut off in front."""

    pcm: Pcm
    cut: int


def at_telephone_level(pcm: Pcm) -> Trimmed:
    """Trim and level one clip; empty where nothing sounds."""
    whole = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    power = np.mean(np.square(whole), axis=1)
    if not len(power) or power.max() <= 1.0:
        return Trimmed(np.zeros(0, np.int16), len(pcm))
    active = np.flatnonzero(power > power.max() * 10 ** (-ACTIVE_DB / 10))
    start = max(0, int(active[0]) * FRAME - LEAD)
    end = int(active[-1] + 1) * FRAME + TAIL
    gain = LEVEL_DBFS - rms_dbfs(whole[active].astype(np.int16))
    peak = 20 * float(np.log10(max(int(np.abs(pcm.astype(np.int32)).max()), 1) / 32_768))
    return Trimmed(with_gain(pcm[start:end], min(gain, PEAK_DBFS - peak)), start)
