"""How the losses of each stream lie: in bursts, or one by one (RFC 3611 §4.7.2).

A burst begins and ends with a missing packet, has two or more, and never `GMIN` that came in a row;
what lies between bursts is gap. A packet that came too late to be heard is missing too. The fate of
a packet is judged once it is `SETTLED` packets old, so that one that was only overtaken counts as
come; and many at a time, so that a good line costs next to nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .rtp.xr import GMIN
from .streams import Columns, Rows, column

SETTLED = 32
"""Packets after which nothing is expected of an older one."""
BATCH = 64
"""Packets that are judged at a time."""


class LossPattern(NamedTuple):
    """Counts of one stream up to now; densities are fractions, lengths packets."""

    packets: int
    missing: int
    bursts: int
    burst_density: float
    gap_density: float
    burst_length: float
    """Mean."""
    gap_length: float
    burst_ratio: float
    """Mean run of missing packets over the run that random loss would give; at least 1."""


class Bursts(Columns):
    """The losses of each row so far, and the cluster of them that may still grow."""

    judged: NDArray[np.int64] = column(np.int64)
    """Packets up to this extended sequence number have been judged."""
    packets: NDArray[np.int64] = column(np.int64)
    missing: NDArray[np.int64] = column(np.int64)
    runs: NDArray[np.int64] = column(np.int64)
    """Times that packets in a row are missing."""
    since: NDArray[np.int64] = column(np.int64, default=GMIN)
    """Packets that came since the last missing one."""
    cluster: NDArray[np.int64] = column(np.int64, 2)
    """Packets and missing packets of the newest cluster."""
    bursts: NDArray[np.int64] = column(np.int64, 3)
    """How many, their packets, and the missing among them."""

    def came(self, rows: Rows, packets: int) -> None:
        """None of the next packets of unique rows is missing."""
        self.packets[rows] += packets
        self.since[rows] += packets

    def take(self, row: int, missing: NDArray[np.bool_]) -> None:
        """The fates of the next packets, in their order."""
        self.packets[row] += len(missing)
        at = -1
        for place in np.flatnonzero(missing).tolist():
            came = int(self.since[row]) + place - at - 1
            if came >= GMIN:
                self._close(row)
                self.cluster[row] = 1, 1
            else:
                self.cluster[row] += came + 1, 1
            self.missing[row] += 1
            self.runs[row] += came > 0
            self.since[row], at = 0, place
        self.since[row] += len(missing) - at - 1

    def pattern(self, row: int) -> LossPattern:
        """What the losses look like so far."""
        count, inside, lost = self.bursts[row].tolist()
        size, more = self.cluster[row].tolist()
        if more > 1:
            count, inside, lost = count + 1, inside + size, lost + more
        packets, missing = int(self.packets[row]), int(self.missing[row])
        gap = packets - inside
        run = missing / max(int(self.runs[row]), 1)
        return LossPattern(
            packets=packets,
            missing=missing,
            bursts=count,
            burst_density=lost / inside if inside else 0.0,
            gap_density=(missing - lost) / gap if gap else 0.0,
            burst_length=inside / count if count else 0.0,
            gap_length=gap / (count + 1),
            burst_ratio=max(run * (1 - missing / packets), 1.0) if missing else 1.0,
        )

    def _close(self, row: int) -> None:
        size, missing = self.cluster[row]
        if missing > 1:
            self.bursts[row] += 1, size, missing
