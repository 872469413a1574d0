"""The few constants and comparisons of time that every pure part of this room shares."""

import math

from ..providers.protocols import SAMPLE_RATE

FRAME_S = 0.020
"""Length of one frame of the telephone line, seconds."""

FRAME_SAMPLES = 160

EARLY_S = 0.001
"""An event loop rounds its timers to the millisecond, so a timer may fire this much early."""

NEVER = math.inf


def reached(deadline: float, now: float) -> bool:
    """Whether a deadline has come; a timer that fired within `EARLY_S` of it counts."""
    return deadline <= now + EARLY_S


def seconds(samples: int) -> float:
    """Length of `samples` on the telephone line."""
    return samples / SAMPLE_RATE
