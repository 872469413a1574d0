"""Whether there is room for a new call that comes in: asked before anything is kept of it.

A caller that is turned away is told when to try again; calls that live are not touched.
"""

from collections.abc import Callable

from ..base.clock import Clock
from ..sip.doorkeeper import Turned

AGAIN_S = 5
"""What a 503 asks a caller to wait."""
LEAVING_AGAIN_S = 120


class Admission:
    """Room for new calls: so many at the same time, so many a second, none when leaving."""

    def __init__(
        self,
        max_calls: int,
        calls_per_second: float,
        clock: Clock,
        live: Callable[[], int],
        media_full: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`live` tells how many calls there are, `media_full` why no more audio can be carried."""
        self._max_calls = max_calls
        self._rate = calls_per_second
        self._clock = clock
        self._live = live
        self._media_full = media_full
        self._tokens = self._rate
        self._at = clock.monotonic()
        self.leaving = False
        """The runtime is being stopped."""

    def full(self) -> str | None:
        """Why there is no room for a call of either direction; None: there is."""
        if self._live() >= self._max_calls:
            return f"all {self._max_calls} calls that RUNTIME_MAX_CALLS permits are in use"
        return self._media_full()

    def turned(self) -> Turned | None:
        """Why a call that comes in now is turned away; None: there is room, and it is taken."""
        if self.leaving:
            return Turned(503, "going out of service", retry_after_s=LEAVING_AGAIN_S)
        if full := self.full():
            return Turned(503, full, retry_after_s=AGAIN_S)
        now = self._clock.monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            why = f"more than {self._rate:g} calls came in a second"
            return Turned(503, why, retry_after_s=AGAIN_S)
        self._tokens -= 1
        return None
