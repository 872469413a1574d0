"""Pairs of UDP ports for RTP and RTCP: an even one and the next."""

from collections import deque
from collections.abc import Collection

QUARANTINE_S = 5.0
"""A freed pair rests so long, so that a late packet of the old call finds nobody."""


class PortPairs:
    """The pairs of a range, given out in turn."""

    def __init__(self, first: int, last: int) -> None:
        """`first` is even; both ends belong to the range."""
        self._free: deque[tuple[int, float]] = deque((p, 0.0) for p in range(first, last, 2))
        self.total = len(self._free)

    def rest(self, ports: Collection[int], now: float) -> None:
        """These RTP ports were in use until now, by a process that is gone: they rest first."""
        taken = set(ports)
        self._free = deque(pair for pair in self._free if pair[0] not in taken)
        for port in sorted(taken):
            self.give_back(port, now)

    def take(self, now: float) -> int | None:
        """The RTP port of the pair that has been free longest; None if none is."""
        if not self._free or self._free[0][1] > now:
            return None
        return self._free.popleft()[0]

    def give_back(self, port: int, now: float) -> None:
        """The pair is free again, after its rest."""
        self._free.append((port, now + QUARANTINE_S))
