"""Where messages come from and go to, as values. Opens nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .errors import LocalSipError
from .message.uri import Uri
from .message.via import Via

if TYPE_CHECKING:
    from .transaction import Transaction

Transport = Literal["udp", "tcp", "tls"]
TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp", "tls")
DEFAULT_PORT, TLS_PORT = 5060, 5061


@dataclass(frozen=True, slots=True)
class Hop:
    """The far end of a packet's way. `host` is an address or a name, IPv6 without brackets."""

    transport: Transport
    host: str
    port: int
    server_name: str | None = None
    """The domain that a TLS peer must prove to be (RFC 5922 §7.1); None: `host` itself."""

    @classmethod
    def of_uri(cls, uri: Uri, default: Transport = "udp") -> "Hop":
        """Where a request to this URI goes (RFC 3261 §18.1.1), its host not looked up yet.

        A request over 1300 bytes stays on UDP, against §18.1.1: deployed trunks reassemble, and
        many have no TCP. TCP is used when the URI or the caller asks. Raises LocalSipError.
        """
        if not uri.is_sip:
            raise LocalSipError(f"cannot reach {uri}: only sip: and sips: URIs are supported")
        named = "tls" if uri.scheme == "sips" else uri.transport or default
        transport = next((known for known in TRANSPORTS if known == named), None)
        if transport is None:
            raise LocalSipError(f"cannot reach {uri}: transport is {named!r}, not udp, tcp or tls")
        host = (uri.parameters.get("maddr") or uri.host).strip("[]")
        return cls(transport, host, uri.port or (TLS_PORT if transport == "tls" else DEFAULT_PORT))

    @property
    def is_ipv6(self) -> bool:
        """Whether `host` is an IPv6 address."""
        return ":" in self.host


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a peer: over an open flow if there is one, else at `hop`."""

    hop: Hop
    flow: Hop | None = None
    """The far end of a TCP or TLS connection that served before."""

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
