"""Where messages come from and go to, as values. Opens nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import LocalSipError
from .message.uri import Uri
from .message.via import Via

if TYPE_CHECKING:
    from .transaction import Transaction

Transport = Literal["udp", "tcp"]
DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True)
class Hop:
    """The far end of a packet's way. `host` is an address or a name, IPv6 without brackets."""

    transport: Transport
    host: str
    port: int

    @classmethod
    def of_uri(cls, uri: Uri, default: Transport = "udp") -> "Hop":
        """Where a request to this URI goes (RFC 3261 §18.1.1; no DNS SRV).

        A request over 1300 bytes stays on UDP, against §18.1.1: deployed trunks reassemble, and
        many have no TCP. TCP is used when the URI or the caller asks. Raises LocalSipError.
        """
        if not uri.is_sip or uri.scheme == "sips":
            raise LocalSipError(f"cannot reach {uri}: only sip: URIs over UDP or TCP are supported")
        transport = uri.transport or default
        if transport not in ("udp", "tcp"):
            raise LocalSipError(f"cannot reach {uri}: transport is {transport!r}, not udp or tcp")
        host = (uri.parameters.get("maddr") or uri.host).strip("[]")
        return cls("tcp" if transport == "tcp" else "udp", host, uri.port or DEFAULT_PORT)


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a peer: over an open flow if there is one, else at `hop`."""

    hop: Hop
    flow: Hop | None = None
    """The far end of a TCP connection that served before."""

    @property
    def reliable(self) -> bool:
        """Whether the transport repeats what is lost."""
        return self.hop.transport != "udp"


def response_route(via: Via, source: Hop) -> Route:
    """Where the response to a request from `source` goes (RFC 3261 §18.2.2, RFC 3581 §4).

    On UDP back to where the request came from, with or without `rport`: we diverge from §18.2.2,
    which prefers the sent-by port, because that port is not open behind a NAT.
    """
    if source.transport == "udp":
        return Route(source)
    host = via.parameters.get("received") or via.host.strip("[]")
    return Route(Hop(source.transport, host, via.port or DEFAULT_PORT), source)


@dataclass(frozen=True, slots=True)
class Transmission:
    """One message that the shell must send now."""

    data: bytes
    route: Route
    call_id: str
    owner: "Transaction | None" = None
    """The transaction that wants to know when sending fails."""
