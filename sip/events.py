"""What the user agent tells its owner. One leg is one call of ours with one peer.

A leg begins with `Invited` or with the verb `invite`, and is over after the first of `Refused`,
`Cancelled` and `Ended`, or at once when the owner itself says `refuse` or `bye`: what the owner
decides is not told back to it. `cancel` is not yet the end, because it may cross an answer: wait
for `Refused`.
"""

from dataclasses import dataclass
from typing import Literal

from .transport import Hop, Transport

HeaderList = tuple[tuple[str, str], ...]

EndReason = Literal["bye", "timeout", "no_ack", "transport", "gone", "expired", "replaced"]
"""`bye`: the peer hung up. `timeout`: it does not answer a re-INVITE. `no_ack`: it never
acknowledged our 200, or a reliable provisional response. `transport`: nothing can be sent. `gone`:
it knows no such call. `expired`: nobody refreshed the session. `replaced`: another call took its
place."""


@dataclass(frozen=True, slots=True)
class Invited:
    """A call came in; 100 has been sent. Say `ring`, `answer` or `refuse`."""

    leg: str
    call_id: str
    request_uri: str
    from_uri: str
    from_name: str | None
    to_uri: str
    source: tuple[str, int]
    transport: Transport
    headers: HeaderList
    """Every header of the INVITE, in order."""
    body: bytes | None
    """The offer; None if the caller wants ours in the answer."""
    party: str | None = None
    """Who it is, as the doorkeeper says."""
    replaces: str | None = None
    """The leg that ends when this one is answered (RFC 3891)."""


@dataclass(frozen=True, slots=True)
class Rang:
    """Our INVITE got a provisional response above 100."""

    leg: str
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was answered 2xx, and ACK has been sent.

    `body` is the answer, which may have come in a provisional response of the same end.
    """

    leg: str
    body: bytes | None
    headers: HeaderList


@dataclass(frozen=True, slots=True)
class Confirmed:
    """ACK for our 200 arrived; `body` is the answer when our 200 carried the offer.

    Told once for the INVITE; again for a re-INVITE only if its ACK carries an answer.
    """

    leg: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Our INVITE failed: the peer's status, or 408 after silence, or 503 when it cannot be sent.

    A 3xx names other targets in its Contact headers; nobody follows them here.
    """

    leg: str
    status: int
    reason: str
    headers: HeaderList = ()
    heard: bool = True
    """The peer said so; False: the status is our own word for its silence."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before we answered."""

    leg: str
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A re-INVITE came, or an UPDATE or PRACK with an offer.

       Answer with `accept_offer` or `refuse_offer`.
    `body` None asks for our offer.
    """

    leg: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """An offer of ours came to its end; `body` is the answer when `status` is 2xx.

    The offer of a re-INVITE or UPDATE, or that of a provisional response to an INVITE without one.
    """

    leg: str
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An answered call is over, and not because the owner said `bye`."""

    leg: str
    reason: EndReason
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class Informed:
    """The peer said something within a call by INFO or MESSAGE; it has been answered."""

    leg: str
    method: str
    content_type: str
    """Lower case, without parameters; empty when there is no body."""
    body: bytes


@dataclass(frozen=True, slots=True)
class InformAnswered:
    """Our INFO came to its end."""

    leg: str
    status: int


@dataclass(frozen=True, slots=True)
class Referred:
    """The peer asks us to call somebody (RFC 3515).

    Say `accept` and then `tell` how it goes, or `refuse`.
    """

    leg: str
    referral: str
    target: str
    """The URI to call, without its headers."""
    replaces: str | None
    """The value of the Replaces header to send with the INVITE: an attended transfer."""
    referred_by: str | None
    told: bool = True
    """The peer wants to be told how it goes."""


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """How our REFER goes: the peer's answer to it, then what its NOTIFYs say.

    After `final` nothing more comes. 408 stands for a peer that fell silent.
    """

    leg: str
    status: int
    reason: str
    final: bool


RegistrationState = Literal["trying", "active", "failed", "held", "gone"]


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """How a registration is now. Times are monotonic seconds."""

    id: str
    state: RegistrationState
    status: int | None
    """The last answer; 408 after silence, 503 when nothing can be sent."""
    reason: str
    target: Hop | None
    expires_at: float | None
    next_at: float | None
    service_routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Qualified:
    """A peer answered OPTIONS, or did not. `round_trip_ms` is of the answer."""

    id: str
    target: Hop
    up: bool
    status: int | None
    round_trip_ms: float | None
    misses: int


DialogEvent = (
    Invited
    | Rang
    | Answered
    | Confirmed
    | Refused
    | Cancelled
    | Offered
    | OfferAnswered
    | Informed
    | InformAnswered
    | Referred
    | ReferProgress
    | Ended
)
"""What is about one leg."""

SipEvent = DialogEvent | RegistrationChanged | Qualified


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One SIP message as it crossed the wire. `at` is seconds since the epoch."""

    at: float
    source: tuple[str, int]
    destination: tuple[str, int]
    transport: Transport
    payload: bytes
    call_id: str
    """Empty when the message could not be read."""
    outgoing: bool
