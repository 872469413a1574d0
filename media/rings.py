"""Rings of samples: a run of samples of each row, at a place of its own, read or written at once.

Runs are moved as runs. A matrix that tells the place of each single sample would be four times as
large as the sound. The few rows whose run goes over the end of the ring are moved by way of their
seam, where the end and the beginning stand side by side.
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
    last = size - width
    samples: NDArray[T] = _runs(ring, width)[rows, np.minimum(begin, last)]
    over = np.flatnonzero(begin > last)
    if len(over):
        seam = _seam(ring, rows[over], width)
        samples[over] = _runs(seam, width)[np.arange(len(over)), begin[over] - last]
    return samples


def write(ring: NDArray[T], rows: Rows, at: NDArray[np.int64], samples: NDArray[T]) -> None:
    """Put `samples`, shape (rows, width), at `at` of each of unique rows; the mirror of `read`."""
    size, width = ring.shape[1], samples.shape[1]
    if 2 * width > size:  # both ends of the ring would be one
        write(ring, rows, at, samples[:, : width // 2])
        write(ring, rows, at + width // 2, samples[:, width // 2 :])
        return
    begin, last = at % size, size - width
    over = np.flatnonzero(begin > last)
    if not len(over):
        _runs(ring, width)[rows, begin] = samples
        return
    # Those few are written as if they ended with the ring, and then that is put right.
    few = rows[over]
    seam = _seam(ring, few, width)
    _runs(ring, width)[rows, np.minimum(begin, last)] = samples
    _runs(seam, width)[np.arange(len(over)), begin[over] - last] = samples[over]
    ring[few, last:], ring[few, :width] = seam[:, :width], seam[:, width:]


def _runs(ring: NDArray[T], width: int) -> NDArray[T]:
    """Every run of `width` samples as a view, shape (rows, places, width)."""
    rows, size = ring.shape
    shape = (rows, size - width + 1, width)
    return np.ndarray(shape, ring.dtype, ring, strides=(*ring.strides, ring.itemsize))


def _seam(ring: NDArray[T], rows: Rows, width: int) -> NDArray[T]:
    """The last and the first `width` samples of `rows`, side by side, as a copy."""
    return np.concatenate((ring[rows, -width:], ring[rows, :width]), axis=1)
