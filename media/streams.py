"""The table of streams: one row per stream, one NumPy column per field.

Every stage of the engine declares its state as columns and gets rows from one table, so a stage is
a few array operations over all streams instead of an object per stream. A row is used again after
its stream closed; opening a row resets every column of every stage, so nothing of the previous call
is left in it. Room for every row is made at the beginning, since to make it later means to copy all
that the rows in use hold, amid a tick; a row that was never used takes no memory but its address.
Knows nothing of packets or audio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.errors import AywaError

Rows = NDArray[np.int64]
"""Row numbers. Where a function says *unique rows*, no row stands twice in the array."""


class TableFull(AywaError):
    """The engine carries as many streams as it was told to carry."""


@dataclass(frozen=True, slots=True)
class Field:
    """What one column holds: element type, shape of one row's cell, value of a fresh row."""

    dtype: Any
    shape: tuple[int, ...]
    default: Any
    scratch: bool

    def allocate(self, rows: int) -> NDArray[Any]:
        # Zeros come from the kernel as untouched pages, so an unused row's ring costs no memory.
        cells = np.zeros((rows, *self.shape), self.dtype)
        if self.default != 0:
            cells[:] = self.default
        return cells


def column(dtype: Any, *shape: int, default: Any = 0, scratch: bool = False) -> Any:
    """Declare a column. A `scratch` column is read only where counters say it was written.

    Typed as Any because the class attribute is the declaration and the instance attribute the
    array; the annotation at the attribute tells the array's type.
    """
    return Field(dtype, shape, default, scratch)


class Columns:
    """Arrays that share their first axis, the row. Subclasses declare them with `column`."""

    _fields: dict[str, Field]

    def __init_subclass__(cls) -> None:
        cls._fields = {name: field for name, field in vars(cls).items() if isinstance(field, Field)}

    def __init__(self) -> None:
        for name, field in self._fields.items():
            setattr(self, name, field.allocate(0))

    def allocate(self, rows: int) -> None:
        """Make room for `rows` rows, all of them fresh."""
        for name, field in self._fields.items():
            setattr(self, name, field.allocate(rows))

    def reset(self, row: int) -> None:
        """Give the row the values of a fresh one."""
        for name, field in self._fields.items():
            if not field.scratch:
                getattr(self, name)[row] = field.default


class StreamTable(Columns):
    """Which stream has which row."""

    active: NDArray[np.bool_] = column(np.bool_)
    opened_at: NDArray[np.float64] = column(np.float64)

    def __init__(self, members: Sequence[Columns], *, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.streams: dict[str, int] = {}
        self.names = [""] * capacity
        self._members: list[Columns] = [self]
        self._free = list(range(capacity - 1, -1, -1))
        self._rows: Rows = np.empty(0, np.int64)
        self._all_names: tuple[str, ...] = ()
        self.allocate(capacity)
        for columns in members:
            self.join(columns)

    @property
    def rows(self) -> Rows:
        """The rows in use, ascending."""
        return self._rows

    def open(self, stream: str, now: float) -> int:
        """Give the stream a row with every column reset. Raises TableFull."""
        if stream in self.streams:
            raise TableFull(f"the stream {stream!r} is open already; close it before opening again")
        if not self._free:
            raise TableFull(
                f"all {self.capacity} streams of this media process are in use; "
                "raise its capacity or place fewer calls"
            )
        row = self._free.pop()
        for columns in self._members:
            columns.reset(row)
        self.streams[stream] = row
        self.names[row] = stream
        self.active[row] = True
        self.opened_at[row] = now
        self._changed()
        return row

    def names_of(self, rows: Rows) -> tuple[str, ...]:
        """The streams that have the rows."""
        if np.array_equal(rows, self._rows):
            return self._all_names
        return tuple(map(self.names.__getitem__, rows.tolist()))

    def join(self, columns: Columns) -> None:
        """Let the columns of one more stage follow the rows."""
        columns.allocate(self.capacity)
        self._members.append(columns)

    def close(self, stream: str) -> None:
        """Free the stream's row for another stream."""
        row = self.streams.pop(stream)
        self.names[row] = ""
        self.active[row] = False
        self._free.append(row)
        self._changed()

    def _changed(self) -> None:
        """Keep what is asked for in every tick."""
        self._rows = np.flatnonzero(self.active)
        self._all_names = tuple(map(self.names.__getitem__, self._rows.tolist()))
