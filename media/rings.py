"""Rings of samples: a run of samples of each row, at a place of its own, read or written at once.

Runs are moved as runs. A matrix that tells the place of each single sample would be four times as
large as the sound; it is made only for the few rows whose run goes over the end of the ring.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .streams import Rows

T = TypeVar("T", bound=np.generic)


def read(ring: NDArray[T], rows: Rows, at: NDArray[np.int64], width: int) -> NDArray[T]:
    """The `width` samples at `at` of each of `rows`, shape (rows, width).

    `ring` has shape (all rows, size); positions count on beyond the size.
    """
    size = ring.shape[1]
    begin = at % size
    samples: NDArray[T] = _runs(ring, width)[rows, np.minimum(begin, size - width)]
    over = np.flatnonzero(begin > size - width)
    if len(over):
        samples[over] = ring[rows[over][:, None], _cells(begin[over], width, size)]
    return samples


def write(ring: NDArray[T], rows: Rows, at: NDArray[np.int64], samples: NDArray[T]) -> None:
    """Put `samples`, shape (rows, width), at `at` of each of unique rows; the mirror of `read`."""
    size, width = ring.shape[1], samples.shape[1]
    begin = at % size
    over = np.flatnonzero(begin > size - width)
    runs = _runs(ring, width)
    if not len(over):
        runs[rows, begin] = samples
        return
    # Those few are written first as if they ended with the ring, and then that is put right.
    last = size - width
    spoilt = ring[rows[over], last:].copy()
    runs[rows, np.minimum(begin, last)] = samples
    ring[rows[over], last:] = spoilt
    ring[rows[over][:, None], _cells(begin[over], width, size)] = samples[over]


def _runs(ring: NDArray[T], width: int) -> NDArray[T]:
    """Every run of `width` samples as a view, shape (rows, places, width)."""
    rows, size = ring.shape
    shape = (rows, size - width + 1, width)
    return np.ndarray(shape, ring.dtype, ring, strides=(*ring.strides, ring.itemsize))


def _cells(begin: NDArray[np.int64], width: int, size: int) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = (begin[:, None] + np.arange(width)) % size
    return cells
