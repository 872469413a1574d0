"""Arithmetic on the 16-bit circle of sequence numbers and the 32-bit circle of timestamps.

RFC 1982 and RFC 3550 §A.1. The only place where such numbers wrap; works on scalars and arrays.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", int, NDArray[np.int64])


def sequence_add(sequence: Number, count: Number | int) -> Number:
    """`sequence` + `count`, modulo 2**16."""
    return (sequence + count) & 0xFFFF


def sequence_distance(a: Number, b: Number | int) -> Number:
    """Signed way from `b` to `a`, −32768 … 32767."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def timestamp_add(timestamp: Number, ticks: Number | int) -> Number:
    """`timestamp` + `ticks`, modulo 2**32."""
    return (timestamp + ticks) & 0xFFFF_FFFF


def timestamp_distance(a: Number, b: Number | int) -> Number:
    """Signed way from `b` to `a`, −2**31 … 2**31 − 1."""
    return ((a - b + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
