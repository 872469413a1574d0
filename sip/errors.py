"""Everything that goes wrong in the SIP room.

SipError
├── LocalSipError       we were asked for something that the protocol forbids: a bug of ours
│   └── LegGone         the leg that a verb names does not exist (any more)
├── SipParseError       the peer's text is not SIP; `status` is the answer it deserves
└── SipListenError      a socket could not be opened
"""

from typing import TYPE_CHECKING

from ..base.errors import AywaError

if TYPE_CHECKING:
    from .message.message import Request


class SipError(AywaError):
    """Base of every error that the SIP room raises."""


class LocalSipError(SipError):
    """We would break the protocol; let it propagate."""


class LegGone(LocalSipError):
    """The verb names a leg that is over or in another state of its life."""


class SipParseError(SipError):
    """The peer broke the grammar.

    `status` is the response the peer deserves. `request` is the request as far as it was
    understood, so that it can be answered; None when there is nobody to answer.
    """

    def __init__(self, message: str, *, status: int = 400, request: "Request | None" = None):
        super().__init__(message)
        self.status = status
        self.request = request


class SipListenError(SipError):
    """A port could not be opened; the message says which and what to do."""
