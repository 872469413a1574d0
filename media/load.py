"""How busy an engine is: measured on its own clock, told to the control plane once a second.

Sans-IO: whoever owns the clock says when ticks began and how long they took.
"""

from . import plane

TICK_S = 0.020
LATE_S = TICK_S / 2  # behind by more, a tick is late: the peers' jitter buffers feel it
REPORT_S = 1.0
WEIGHT = TICK_S / 1.0  # of one tick in the moving averages, which look back about a second


class LoadMeter:
    """Counts the ticks of one engine."""

    def __init__(self, now: float) -> None:
        self._busy = self._late = 0.0
        self._ticks = self._late_ticks = self._overruns = 0
        self._began = now
        self._waited_s = 0.0
        self._reported = now

    def begin(self, now: float, deadline: float, waited_s: float) -> None:
        """A tick begins that was due at `deadline`; `waited_s` is all the idle time so far."""
        passed, idle = now - self._began, waited_s - self._waited_s
        if passed > 0:
            weight = min(passed * WEIGHT / TICK_S, 1.0)
            self._busy += weight * (1.0 - min(idle / passed, 1.0) - self._busy)
        self._began, self._waited_s = now, waited_s
        late = now - deadline > LATE_S
        self._ticks += 1
        self._late_ticks += late
        self._late += WEIGHT * (late - self._late)

    def end(self, took_s: float) -> None:
        """The tick is over."""
        self._overruns += took_s > TICK_S

    def skip(self, behind_s: float) -> None:
        """The clock starts anew: the ticks of so many seconds are not made."""
        missed = int(behind_s / TICK_S)
        self._ticks += missed
        self._late_ticks += missed
        self._late += min(missed * WEIGHT, 1.0) * (1.0 - self._late)

    def due(self, now: float) -> bool:
        """Whether the control plane should hear of it."""
        return now - self._reported >= REPORT_S

    def report(self, now: float, streams: int, send_errors: int) -> plane.EngineLoad:
        """What is told."""
        self._reported = now
        return plane.EngineLoad(
            at=now,
            streams=streams,
            busy=round(self._busy, 4),
            late=round(self._late, 4),
            ticks=self._ticks,
            late_ticks=self._late_ticks,
            overruns=self._overruns,
            send_errors=send_errors,
        )
