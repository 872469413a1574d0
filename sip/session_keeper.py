"""Keeps the sessions of answered calls alive, and ends those that nobody refreshes (RFC 4028 §10).

Says when; `Offers` sends the refresh.
"""

from collections.abc import Callable

from .in_dialog import say_bye
from .leg import Leg
from .legs import Legs
from .session_timer import SessionTimer

REFRESH, EXPIRY = "refresh", "expiry"
AGAIN_S = 10.0
"""Pause after a refresh that could not be sent, or was refused without ending the call."""


class SessionKeeper:
    """The clock of session timers."""

    def __init__(self, legs: Legs, refresh: Callable[[Leg, float], None]) -> None:
        self._legs = legs
        self._refresh = refresh

    def start(self, leg: Leg, timer: SessionTimer | None, now: float) -> None:
        """The session was set up or refreshed; without a timer it never expires."""
        leg.talk.timer = timer
        self._legs.stop_alarm(leg, REFRESH)
        self._legs.stop_alarm(leg, EXPIRY)
        if timer is None:
            return
        self._legs.alarm(leg, EXPIRY, now + timer.expiry_s, lambda at: self._expire(leg, at))
        if timer.ours:
            self._legs.alarm(leg, REFRESH, now + timer.refresh_s, lambda at: self._refresh(leg, at))

    def try_again(self, leg: Leg, now: float) -> None:
        """Refresh a little later."""
        self._legs.alarm(leg, REFRESH, now + AGAIN_S, lambda at: self._refresh(leg, at))

    def _expire(self, leg: Leg, now: float) -> None:
        if leg.dialog:
            reason = [("Reason", 'SIP;cause=408;text="Session timer expired"')]
            say_bye(self._legs, leg, leg.dialog, leg.goodbye or reason, now)
        self._legs.end(leg, "expired", now)
