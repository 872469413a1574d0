"""A dialog: what two user agents remember of each other between requests (RFC 3261 §12)."""

import contextlib
from dataclasses import dataclass, replace

from .abilities import allowed, options
from .errors import LocalSipError, SipParseError
from .message import Address, CSeq, Headers, Message, Request, Response, Uri
from .transport import Hop, Route, Transport

MAX_FORWARDS = "70"

DialogKey = tuple[str, str, str]
"""Call-ID, our tag, the peer's tag."""


@dataclass(slots=True)
class Dialog:
    """One side's view of a dialog."""

    call_id: str
    local: Address
    remote: Address
    local_sequence: int
    remote_sequence: int | None
    remote_target: Uri
    routes: tuple[Address, ...]
    transport: Transport
    flow: Hop | None = None
    """The far end of the TCP or TLS connection that the dialog came over."""
    server: Hop | None = None
    """The target, resolved, that our INVITE reached: a name of its own is not looked up again."""
    allows: frozenset[str] | None = None
    """The methods that the peer takes; None while it has not said."""
    supports: frozenset[str] = frozenset()
    """The extensions that the peer knows, by their option tags."""

    @classmethod
    def of_request(cls, request: Request, local_tag: str, source: Hop) -> "Dialog":
        """The callee's side, from an INVITE (§12.1.1).

        Raises SipParseError when the caller could not be told anything later.
        """
        target = request.contacts[0].uri if request.contacts else request.from_.uri
        dialog = cls(
            call_id=request.call_id,
            local=request.to.tagged(local_tag),
            remote=request.from_,
            local_sequence=0,
            remote_sequence=request.cseq.sequence,
            remote_target=target,
            routes=tuple(request.record_route),
            transport=source.transport,
            flow=source if source.transport != "udp" else None,
        )
        dialog.hear(request)
        try:
            dialog.route()
        except LocalSipError as error:
            raise SipParseError(f"Contact or Record-Route: {error}") from error
        return dialog

    @classmethod
    def of_response(cls, request: Request, response: Response, source: Hop | None) -> "Dialog":
        """The caller's side, from a 2xx to its INVITE (§12.1.2)."""
        target = response.contacts[0].uri if response.contacts else request.uri
        stream = source is not None and source.transport != "udp"
        dialog = cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            local_sequence=request.cseq.sequence,
            remote_sequence=None,
            remote_target=target,
            routes=tuple(reversed(response.record_route)),
            transport=source.transport if source else "udp",
            flow=source if stream else None,
        )
        dialog.hear(response)
        return dialog

    @property
    def key(self) -> "DialogKey":
        """What the peer's requests in this dialog carry: Call-ID, To tag, From tag."""
        return (self.call_id, self.local.tag or "", self.remote.tag or "")

    def hear(self, message: Message) -> None:
        """Take what a message says of the peer's abilities."""
        self.allows = allowed(message) or self.allows
        self.supports |= options(message, "Supported") | options(message, "Require")

    def takes(self, method: str) -> bool:
        """Whether the peer is known to take this method."""
        return self.allows is not None and method in self.allows

    def relocate(self, response: Response) -> None:
        """Take route set and target from a 2xx in the place of an early response's (§13.2.2.4)."""
        self.routes = tuple(reversed(response.record_route))
        self.refresh(response.contacts)
        self.hear(response)

    def in_order(self, sequence: int) -> bool:
        """Take the sequence number of a request from the peer; False if it is out of order."""
        if self.remote_sequence is not None and sequence <= self.remote_sequence:
            return False
        self.remote_sequence = sequence
        return True

    def refresh(self, contacts: list[Address]) -> None:
        """A target refresh moved the peer (§12.2.1.2); not to where it cannot be reached."""
        for contact in contacts[:1]:
            with contextlib.suppress(LocalSipError):
                Hop.of_uri(contact.uri)
                self.remote_target = contact.uri

    def request(self, method: str, *, sequence: int | None = None) -> Request:
        """Start a request in the dialog; Via and Contact are not in it yet (§12.2.1.1).

        ACK takes the `sequence` of the INVITE it acknowledges.
        """
        if sequence is None:
            self.local_sequence += 1
            sequence = self.local_sequence
        headers = Headers([("Max-Forwards", MAX_FORWARDS)])
        routes = list(self.routes)
        target = self.remote_target
        if routes and "lr" not in routes[0].uri.parameters:  # a strict router (§12.2.1.1)
            routes.append(Address(self.remote_target))
            target = routes.pop(0).uri
        headers.extend("Route", map(str, routes))
        headers.add("From", str(self.local))
        headers.add("To", str(self.remote))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", str(CSeq(sequence, method)))
        return Request(method, str(replace(target, headers="")), headers)

    def route(self) -> Route:
        """Where the next request goes. Raises LocalSipError."""
        next_hop = self.routes[0].uri if self.routes else self.remote_target
        hop = Hop.of_uri(next_hop, self.transport)
        server = self.server
        if server and server.transport == hop.transport:
            if hop.host == server.host:
                hop = replace(hop, server_name=server.server_name)
            elif hop.host == server.server_name and next_hop.port in {None, server.port}:
                hop = server
        return Route(hop, self.flow if hop.transport == self.transport else None)
