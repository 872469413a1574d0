"""A leg: one call of ours with one peer, and how far it has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

from .dialog import Dialog
from .digest import Authenticator
from .message import Request, Response
from .message.body import SDP
from .session_timer import SessionTimer
from .transaction import Transaction
from .transport import Hop, Route, Transport

if TYPE_CHECKING:
    from .attempt import Attempt

HeaderPairs = Sequence[tuple[str, str]]


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
    headers: HeaderPairs = ()
    targets: Sequence[Hop] = ()
    """Where to send it, tried in turn; empty: where `routes` or the target say."""
    routes: Sequence[str] = ()
    """The Route set, as a Service-Route tells it (RFC 3608)."""
    authenticator: Authenticator | None = None
    """Answers challenges to the INVITE, and to whatever else we send in the call."""
    contact_user: str | None = None
    line: str | None = None
    """Token in our Contact by which requests of the peer are known to belong to a trunk."""
    session_expires_s: int | None = None
    """The session interval to ask for; None: that of the settings."""
    replaces: str | None = None
    """The value of a Replaces header: the call that this one takes the place of (RFC 3891)."""


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


@dataclass(eq=False, slots=True)
class Fork:
    """One early dialog of a call of ours: one of the ends that it reached (RFC 3261 §12.1)."""

    dialog: Dialog
    answer: bytes | None = None
    """The last description it sent."""
    agreed: bool = False
    """It came in a reliable response: the first offer is answered (RFC 3262 §5)."""
    heard: int | None = None
    """The RSeq that was acknowledged last."""


@dataclass(eq=False, slots=True)
class Calling:
    """The caller's side of a leg until it is answered."""

    invitation: Invitation
    attempt: "Attempt | None" = None
    sequence: int = 0
    """CSeq number of the INVITE sent last."""
    refused_intervals: int = 0
    """How often the session interval was found too small."""
    provisional: bool = False
    """A provisional response to this try came, so that CANCEL may be sent (§9.1)."""
    cancelling: HeaderPairs | None = None
    """The headers of the CANCEL, once the owner has given up."""
    forks: dict[str, Fork] = field(default_factory=dict)
    acknowledgements: dict[str, tuple[bytes, Route]] = field(default_factory=dict)
    """ACK sent for each To tag: a 2xx that comes again gets the same one."""


@dataclass(eq=False, slots=True)
class ReliableResponse:
    """A provisional response that is sent again until its PRACK comes (RFC 3262 §3)."""

    response: Response
    number: int
    gap: float
    until: float


@dataclass(eq=False, slots=True)
class Called:
    """The callee's side of a leg until it is answered."""

    transaction: Transaction
    number: int = 0
    """The last RSeq used; 0 before the first."""
    unacknowledged: ReliableResponse | None = None
    queue: list[Response] = field(default_factory=list)
    """Reliable responses that wait for the PRACK of the one before."""
    described: bool = False
    """Our description went out reliably: the 2xx does not repeat it."""
    answer: tuple[bytes, HeaderPairs] | None = None
    """The owner's answer, held back until our description is acknowledged (RFC 3262 §3)."""


@dataclass(eq=False, slots=True)
class Talk:
    """Offers and answers of a leg after the first, and what keeps its session alive."""

    asked: Transaction | None = None
    """The peer's re-INVITE, UPDATE or PRACK whose offer waits for the owner."""
    offering: Literal["INVITE", "UPDATE"] | None = None
    """A request of ours with an offer is out."""
    retry: Callable[[float], None] | None = None
    """Our offer met another one (491) and will be sent again."""
    description: bytes | None = None
    """What we told the peer last; a refresh says it again, unchanged."""
    timer: SessionTimer | None = None
    min_se_s: int = 0
    """The smallest session interval that a peer or proxy insisted on."""


@dataclass(eq=False, slots=True)
class Referral:
    """One REFER within a leg, and the subscription to its progress (RFC 3515)."""

    id: str
    """The CSeq number of the REFER, as NOTIFYs name it."""
    ours: bool
    told: bool = True
    """NOTIFYs are sent; not after `Refer-Sub: false` (RFC 4488)."""
    transaction: Transaction | None = None
    """The peer's REFER, until the owner has decided."""
    status: int = 0
    """What was told last."""


@dataclass(eq=False, slots=True)
class Leg:
    """What the user agent keeps of one call."""

    id: str
    call_id: str
    local_tag: str
    state: LegState
    invite: Request
    """The request that the leg began with."""
    authenticator: Authenticator | None = None
    contact: tuple[str | None, str | None] = (None, None)
    """User part and line token of our Contact."""
    dialog: Dialog | None = None
    calling: Calling | None = None
    called: Called | None = None
    talk: Talk = field(default_factory=Talk)
    unacknowledged: PendingAnswer | None = None
    told_up: bool = False
    goodbye: HeaderPairs | None = None
    """BYE waits for the ACK of our 200 (§15); set, the owner is told no more."""
    replaces: str | None = None
    """The leg that ends when this one is answered."""
    referrals: dict[tuple[bool, str], Referral] = field(default_factory=dict)
    """By whether it is ours, and its id."""
    open: list[Transaction] = field(default_factory=list)
    """The peer's requests that wait for the owner's word."""
    alarms: dict[str, Callable[[float], None]] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether we began the call, and so own its Call-ID."""
        return self.calling is not None
