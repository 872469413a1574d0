"""Session timers (RFC 4028): what is asked, granted and agreed. Keeps no clock.

The peer that refreshes sends a re-INVITE or UPDATE at half the interval; when nobody does, both
sides end the call, so that no call outlives a peer that died.

Rule 1: `refresher=uac` means the sender of the request at hand, not of the first INVITE (§7.4).
Rule 2: the callee chooses the refresher when the caller leaves it open (§9, table 2).
Rule 3: a caller that does not know timers cannot refresh and cannot be refused (§9).
"""

import re
from dataclasses import dataclass
from typing import Literal

from .abilities import options
from .errors import SipParseError
from .message import Request, Response
from .message.grammar import number, shown
from .message.parameters import Parameters

Refresher = Literal["uac", "uas"]

MAX_INTERVAL_S = 10**7
_DELTA = re.compile(r"([0-9]++)[ \t]*+(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What both sides agreed on."""

    interval_s: int
    ours: bool
    """We refresh."""

    @property
    def refresh_s(self) -> float:
        """When to refresh, after the last refresh (§7.2)."""
        return self.interval_s / 2

    @property
    def expiry_s(self) -> float:
        """When to give up, after the last refresh: before the interval is over (§10)."""
        return self.interval_s - min(32.0, self.interval_s / 3)


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of a Session-Expires header."""

    interval_s: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, text: str) -> "SessionExpires":
        """Read a value. Raises SipParseError."""
        match = _DELTA.fullmatch(text)
        if match is None:
            raise SipParseError(f"Session-Expires {shown(text)} is not a number of seconds")
        named = (Parameters.parse(match[2]).get("refresher") or "").lower()
        refresher = next((one for one in ("uac", "uas") if one == named), None)
        return cls(number(match[1], "Session-Expires", MAX_INTERVAL_S), refresher)

    @classmethod
    def of(cls, message: Request | Response) -> "SessionExpires | None":
        """The value in a message, None if it has none. Raises SipParseError."""
        text = message.headers.first("Session-Expires")
        return None if text is None else cls.parse(text)

    def __str__(self) -> str:
        return f"{self.interval_s}{f';refresher={self.refresher}' if self.refresher else ''}"


def min_se(message: Request | Response) -> int:
    """The Min-SE of a message, 0 without one. Raises SipParseError."""
    text = message.headers.first("Min-SE")
    return 0 if text is None else number(text.partition(";")[0].strip(), "Min-SE", MAX_INTERVAL_S)


def propose(request: Request, interval_s: int, least_s: int, ours: bool | None) -> None:
    """Ask for a session interval in our INVITE or UPDATE; `ours` None lets the peer choose."""
    refresher: Refresher | None = None if ours is None else "uac" if ours else "uas"
    request.headers.add("Session-Expires", str(SessionExpires(interval_s, refresher)))
    request.headers.add("Min-SE", str(least_s))


def check_interval(request: Request, least_s: int) -> None:
    """Whether a peer's interval can be read and is long enough.

    Raises SipParseError, with 422 if it is too short (§9).
    """
    min_se(request)
    asked = SessionExpires.of(request)
    if asked and asked.interval_s < least_s and "timer" in options(request, "Supported"):
        raise SipParseError(f"Session-Expires is below {least_s}", status=422)


def grant(
    request: Request, response: Response, wanted_s: int, present: SessionTimer | None
) -> SessionTimer | None:
    """Write our side of the bargain into the 2xx for an INVITE or UPDATE (§9)."""
    asked = SessionExpires.of(request)
    knows = "timer" in options(request, "Supported")
    if asked is None and not knows:
        return None
    interval = max(min_se(request), wanted_s if asked is None else min(asked.interval_s, wanted_s))
    if not knows:
        refresher: Refresher = "uas"
    elif asked is not None and asked.refresher:
        refresher = asked.refresher
    else:
        refresher = "uas" if present and present.ours else "uac"
    response.headers.add("Session-Expires", str(SessionExpires(interval, refresher)))
    if knows:
        response.headers.add("Require", "timer")
    return SessionTimer(interval, ours=refresher == "uas")


def agreed(response: Response) -> SessionTimer | None:
    """What a 2xx to our INVITE or UPDATE settles; None if the session does not expire (§7.2)."""
    try:
        told = SessionExpires.of(response)
    except SipParseError:
        return None
    return None if told is None else SessionTimer(told.interval_s, ours=told.refresher != "uas")
