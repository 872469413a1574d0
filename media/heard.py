"""What all streams heard in one tick, gathered into one event."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .formats import Formats
from .jitter import FRAME
from .plane import HeardBatch
from .streams import Rows, StreamTable


@dataclass(frozen=True, slots=True)
class HeardFrames:
    """One frame each of unique rows, judged."""

    rows: Rows
    pcm: NDArray[np.int16]
    speech: NDArray[np.bool_]
    real: NDArray[np.bool_]
    arrived: NDArray[np.float64]
    """Of those that are real."""


def gather(
    parts: Sequence[HeardFrames], table: StreamTable, formats: Formats, now: float
) -> list[HeardBatch]:
    """The frames of one tick as one event, if there are any; a later part follows in each row.

    Rows that are not tapped are left out.
    """
    if not parts:
        return []
    together = parts[0] if len(parts) == 1 else _by_row(parts)
    rows = together.rows
    if len(parts) == 1:
        frames = np.ones(len(rows), np.int64)
        arrived = np.where(together.real, together.arrived, now)
    else:
        rows, frames = np.unique(rows, return_counts=True)
        arrived = _arrivals(parts, rows, now)
    sample = formats.samples[rows]
    formats.samples[rows] = sample + FRAME * frames
    pcm, speech, real = together.pcm, together.speech, together.real
    told = formats.tapped[rows]
    if not told.all():
        kept = np.repeat(told, frames)
        pcm, speech, real = pcm[kept], speech[kept], real[kept]
        rows, arrived, sample, frames = rows[told], arrived[told], sample[told], frames[told]
        if not len(rows):
            return []
    return [HeardBatch(table.names_of(rows), now, arrived, sample, frames, pcm, speech, real)]


def _arrivals(parts: Sequence[HeardFrames], rows: Rows, now: float) -> NDArray[np.float64]:
    """When the last real frame of each of `rows` arrived."""
    arrived = np.full(len(rows), now)
    for part in parts:
        some = np.flatnonzero(part.real)
        arrived[np.searchsorted(rows, part.rows[some])] = part.arrived[some]
    return arrived


def _by_row(parts: Sequence[HeardFrames]) -> HeardFrames:
    """All frames, those of a row beside one another and in order."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    return HeardFrames(
        rows[order],
        np.concatenate([part.pcm for part in parts])[order],
        np.concatenate([part.speech for part in parts])[order],
        np.concatenate([part.real for part in parts])[order],
        np.concatenate([part.arrived for part in parts])[order],
    )
