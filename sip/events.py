"""What the user agent tells its owner. One leg is one call of ours with one peer.

A leg begins with `Invited` or with the verb `invite`, and is over after the first of `Refused`,
`Cancelled` and `Ended`, or at once when the owner itself says `refuse` or `bye`: what the owner
decides is not told back to it. `cancel` is not yet the end, because it may cross an answer: wait
for `Refused`.
"""

from dataclasses import dataclass
from typing import Literal

from .transport import Transport

HeaderList = tuple[tuple[str, str], ...]

EndReason = Literal["bye", "timeout", "no_ack", "transport", "gone"]
"""`bye`: the peer hung up. `timeout`: it does not answer a re-INVITE. `no_ack`: it never
acknowledged our 200. `transport`: nothing can be sent. `gone`: it knows no such call."""


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


@dataclass(frozen=True, slots=True)
class Rang:
    """Our INVITE got a provisional response above 100."""

    leg: str
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was answered 2xx, and ACK has been sent; `body` is the answer."""

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
    """Our INVITE failed: the peer's status, or 408 after silence, or 503 when it cannot be sent."""

    leg: str
    status: int
    reason: str
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before we answered."""

    leg: str
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A re-INVITE came; answer with `accept_offer` or `refuse_offer`.

    `body` None asks for our offer.
    """

    leg: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class OfferAnswered:
    """Our re-INVITE came to its end; `body` is the answer when `status` is 2xx."""

    leg: str
    status: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Ended:
    """An answered call is over, and not because the owner said `bye`."""

    leg: str
    reason: EndReason
    headers: HeaderList = ()


SipEvent = (
    Invited | Rang | Answered | Confirmed | Refused | Cancelled | Offered | OfferAnswered | Ended
)


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
