"""Who may speak to us: the question that the user agent asks its owner about every new request.

Asked once for each request outside a dialog, before anything is kept of it. The answer must come at
once, from memory: the request waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .message import Request
from .transport import Hop


@dataclass(frozen=True, slots=True)
class Account:
    """A user that may prove itself by digest."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Let in. `party` is the owner's name for who it is: a trunk; None for anybody."""

    party: str | None = None


@dataclass(frozen=True, slots=True)
class Challenged:
    """Let in whoever proves to be one of the accounts, as `party`."""

    realm: str
    account_of: Callable[[str], Account | None]
    """Username to account."""
    party: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A stranger: not a byte is answered. `why` names the nearest match that failed."""

    why: str


@dataclass(frozen=True, slots=True)
class Turned:
    """A known peer that may not do this now: told with a status."""

    status: int
    why: str
    party: str | None = None
    retry_after_s: int | None = None


Verdict = Admitted | Challenged | Ignored | Turned


class Doorkeeper(Protocol):
    """Judges requests outside a dialog."""

    def judge(self, request: Request, source: Hop) -> Verdict:
        """Whether to serve a request. `source` is where it really came from."""
        ...

    def knows(self, source: Hop) -> bool:
        """Whether this address is a known peer's: a stranger's unreadable bytes get no answer."""
        ...

    def disbelieved(self, request: Request, source: Hop, party: str | None, why: str) -> None:
        """A peer that was challenged answered, and proved nothing."""
        ...


class OpenDoor:
    """Lets everybody in: for callers of our own and for tests."""

    def judge(self, request: Request, source: Hop) -> Verdict:
        """Admitted."""
        return Admitted()

    def knows(self, source: Hop) -> bool:
        """Everybody is known."""
        return True

    def disbelieved(self, request: Request, source: Hop, party: str | None, why: str) -> None:
        """Nobody is challenged."""
