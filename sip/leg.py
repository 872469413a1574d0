"""A leg: one call of ours with one peer, and how far it has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from .dialog import Dialog
from .message import Request, Response
from .message.body import SDP
from .transaction import Transaction
from .transport import Route, Transport


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom to call, as whom, with what."""

    target: str
    from_uri: str
    body: bytes
    """Our offer."""
    from_name: str | None = None
    to: str | None = None
    """The To header's URI, if it is not the target."""
    content_type: str = SDP
    transport: Transport | None = None
    """None lets the target decide."""
    headers: Sequence[tuple[str, str]] = ()


class LegState(Enum):
    """How far a leg has come."""

    CALLING = auto()
    """Our INVITE is out."""
    INVITED = auto()
    """The peer's INVITE waits for our answer."""
    ANSWERED = auto()
    """Our 200 waits for its ACK."""
    TALKING = auto()
    OVER = auto()


@dataclass(eq=False, slots=True)
class PendingAnswer:
    """A 2xx of ours that is sent again until its ACK comes (RFC 3261 §13.3.1.4)."""

    transaction: Transaction
    response: Response
    sequence: int
    offered: bool
    """The response carries the offer, so the ACK carries the answer."""
    gap: float
    until: float
    resend: Callable[[float], None]


@dataclass(eq=False, slots=True)
class Leg:
    """What the user agent keeps of one call."""

    id: str
    call_id: str
    local_tag: str
    state: LegState
    invite: Request
    """The request that the leg began with."""
    transaction: Transaction | None = None
    """The INVITE transaction that is open now, ours or the peer's."""
    dialog: Dialog | None = None
    unacknowledged: PendingAnswer | None = None
    told_up: bool = False
    provisional: bool = False
    """A provisional response came, so that CANCEL may be sent (§9.1)."""
    cancelling: tuple[tuple[str, str], ...] | None = None
    """The headers of the CANCEL, once the owner has given up."""
    goodbye: tuple[tuple[str, str], ...] | None = None
    """BYE waits for the ACK of our 200 (§15)."""
    offering: bool = False
    """A re-INVITE of ours is out."""
    acknowledgements: dict[str, tuple[bytes, Route]] = field(default_factory=dict)
    """ACK sent for each To tag: a 2xx that comes again gets the same one."""
    give_up: Callable[[float], None] | None = None
    """Ends a cancelled INVITE that the peer never answers."""
