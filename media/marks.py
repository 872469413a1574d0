"""Marks: places in what is played, of which the owner is told when they have left."""

from .plane import Mark, MarkReached
from .playout import Playout

MOST = 64
"""Marks of one stream."""


class Marks:
    """The marks of every row that are not reached."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Mark]] = {}

    def put(self, row: int, mark: Mark) -> None:
        """Set a mark."""
        waiting = self._waiting.setdefault(row, [])
        waiting.append(mark)
        del waiting[:-MOST]

    def forget(self, row: int) -> None:
        """The row is gone."""
        self._waiting.pop(row, None)

    def reached(self, playout: Playout, now: float) -> list[MarkReached]:
        """The marks that are reached now, each once; those of older generations are dropped."""
        told: list[MarkReached] = []
        for row, marks in list(self._waiting.items()):
            current, left = int(playout.generation[row]), int(playout.furthest[row])
            waiting: list[Mark] = []
            for mark in marks:
                if mark.generation == current and mark.sample <= left:
                    told.append(MarkReached(mark.stream, mark.generation, now, mark.name))
                elif mark.generation >= current:
                    waiting.append(mark)
            if waiting:
                self._waiting[row] = waiting
            else:
                del self._waiting[row]
        return told
