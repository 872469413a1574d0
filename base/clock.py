"""Time as a value that is handed in.

Cores take `now`, monotonic seconds, as a parameter. Shells read it from a `Clock`. Wall-clock time
appears only in documents and captures, always as UTC.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a shell reads the time."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; comparable between processes of one machine."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


def iso(seconds: float) -> str:
    """Format epoch seconds as ISO 8601 UTC with milliseconds and `Z`."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
