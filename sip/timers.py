"""Timers as data: who is waiting for what, and when it is due. Nothing here runs by itself."""

import heapq
from itertools import count
from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class Timers(Generic[Owner]):
    """Named timers of many owners. Starting and stopping cost O(log n); due times are seconds."""

    def __init__(self) -> None:
        self._due: dict[tuple[Owner, str], tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Owner, str]] = []
        self._order = count()  # equal due times fire in the order of their start

    def start(self, owner: Owner, name: str, at: float) -> None:
        """Start or restart a timer."""
        entry = (at, next(self._order))
        self._due[owner, name] = entry
        heapq.heappush(self._heap, (*entry, owner, name))

    def stop(self, owner: Owner, name: str) -> None:
        """Stop a timer; one that does not run is no error."""
        self._due.pop((owner, name), None)

    def next(self) -> float | None:
        """When the next timer is due, or None."""
        self._drop_stopped()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> tuple[Owner, str] | None:
        """Take out the earliest timer that is due, or None."""
        self._drop_stopped()
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, owner, name = heapq.heappop(self._heap)
        del self._due[owner, name]
        return owner, name

    def _drop_stopped(self) -> None:
        """Remove heap entries whose timer was stopped or started anew.

        Also rebuilds the heap when most of it is dead, so that memory follows the live timers.
        """
        heap = self._heap
        if len(heap) > 64 and len(heap) > 4 * len(self._due):
            heap[:] = [e for e in heap if self._due.get((e[2], e[3])) == (e[0], e[1])]
            heapq.heapify(heap)
        while heap and self._due.get((heap[0][2], heap[0][3])) != (heap[0][0], heap[0][1]):
            heapq.heappop(heap)

    def __len__(self) -> int:
        return len(self._due)
