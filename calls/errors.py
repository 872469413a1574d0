"""What can be wrong with a request about a call.

CallError
├── CallRefused      the call cannot be placed; the message says what to change
├── AtCapacity       there is no room now; try again later
├── Leaving          the runtime is being stopped and takes no more calls
├── UnknownCall      no call of this organisation has that id
├── CallNotLive      the call exists but has ended, or has not begun
└── CommandRefused   the state of the call does not allow the command
"""

from ..base.errors import AywaError


class CallError(AywaError):
    """Base of every error about a call."""


class CallRefused(CallError):
    """The call cannot be placed; the message says what to change."""


class AtCapacity(CallError):
    """There is no room for the call now; in a moment there may be."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Leaving(CallError):
    """The runtime is being stopped: the calls that live may end, and no new one begins."""

    def __init__(self) -> None:
        super().__init__("The runtime is being stopped and takes no more calls. Try another node.")


class UnknownCall(CallError):
    """No call of this organisation has that id."""


class CallNotLive(CallError):
    """The call is not in progress."""


class CommandRefused(CallError):
    """The state of the call does not allow the command."""
