"""A SIP message as a value: a request or a response, its headers, and a body nobody opens here.

Header values are read when asked for and then remembered; a reader may meet a SipParseError there.
Messages are not changed once they are on their way.
"""

from functools import cached_property
from typing import Any

from ..errors import SipParseError
from .address import Address
from .cseq import CSeq
from .grammar import shown
from .headers import Headers
from .reasons import phrase, printable
from .uri import Uri
from .via import Via


class _Message:
    """What requests and responses share."""

    def __init__(self, headers: Headers, body: bytes) -> None:
        self.headers = headers
        self.body = body

    def _start_line(self) -> str:
        raise NotImplementedError

    def _single(self, name: str) -> str:
        """The value of a header that must stand exactly once."""
        values = self.headers.all(name)
        if len(values) != 1:
            raise SipParseError(
                f"{name} is missing" if not values else f"{name} stands {len(values)} times"
            )
        return values[0]

    @cached_property
    def vias(self) -> list[str]:
        """Every Via value, top first, unparsed."""
        return self.headers.items_of("Via")

    @cached_property
    def via(self) -> Via:
        """The topmost Via."""
        if not self.vias:
            raise SipParseError("Via is missing")
        return Via.parse(self.vias[0])

    @cached_property
    def from_(self) -> Address:
        """Who the request claims to be from."""
        return Address.parse(self._single("From"))

    @cached_property
    def to(self) -> Address:
        """Whom the request was first meant for."""
        return Address.parse(self._single("To"))

    @cached_property
    def call_id(self) -> str:
        """The identifier that all messages of a call share."""
        value = self._single("Call-ID")
        if not value or " " in value or "\t" in value:
            raise SipParseError(f"Call-ID {shown(value)} is not one word")
        return value

    @cached_property
    def cseq(self) -> CSeq:
        """Number and method of the request."""
        return CSeq.parse(self._single("CSeq"))

    @cached_property
    def contacts(self) -> list[Address]:
        """Every Contact value; `*` is left out."""
        items = self.headers.items_of("Contact")
        return [Address.parse(item) for item in items if item != "*"]

    @property
    def record_route(self) -> list[Address]:
        """The proxies that want to stay in the way of the dialog, top first."""
        return [Address.parse(item) for item in self.headers.items_of("Record-Route")]

    def check(self) -> None:
        """Read every header that a transaction or dialog needs. Raises SipParseError."""
        _ = (self.via, self.from_, self.to, self.call_id, self.contacts, self.record_route)
        _ = self.cseq

    def __bytes__(self) -> bytes:
        lines = [self._start_line()]
        lines.extend(f"{name}: {value}" for name, value in self.headers)
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        # Bytes that were not UTF-8 on the way in leave as they came (see the parser).
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def __eq__(self, other: Any) -> bool:
        return (
            type(other) is type(self)
            and self._start_line() == other._start_line()
            and self.headers == other.headers
            and self.body == other.body
        )

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key

    def __repr__(self) -> str:
        return f"<{self._start_line()}>"


class Request(_Message):
    """A SIP request."""

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers | None = None,
        body: bytes = b"",
        *,
        version: str = "2.0",
    ) -> None:
        super().__init__(Headers() if headers is None else headers, body)
        self.method = method
        self.target = target
        """The Request-URI as it stands on the line."""
        self.version = version

    @cached_property
    def uri(self) -> Uri:
        """The Request-URI."""
        return Uri.parse(self.target)

    def _start_line(self) -> str:
        return f"{self.method} {self.target} SIP/{self.version}"

    def check(self) -> None:
        """As for any message; and the Request-URI, and that CSeq names this method."""
        if self.uri.headers:  # RFC 3261 §19.1.1, table 1
            raise SipParseError(f"Request-URI carries headers: {shown(self.target)}")
        super().check()
        if self.cseq.method != self.method:
            raise SipParseError(
                f"CSeq names {shown(self.cseq.method)}, but the method is {shown(self.method)}"
            )

    def stamp_via(self, host: str, port: int) -> None:
        """Record in the topmost Via where the request really came from."""
        self.via = self.via.seen_from(host, port)
        self.vias = [str(self.via), *self.vias[1:]]
        self.headers.replace_first_item("Via", str(self.via))

    def response(self, status: int, reason: str | None = None, *, to_tag: str = "") -> "Response":
        """Start a response to this request (RFC 3261 §8.2.6.2).

        A header that the request lacks, or that cannot be read, is copied as it is: a broken
        request gets an answer that its sender can still match.
        """
        headers = Headers()
        headers.extend("Via", self.headers.all("Via"))
        headers.extend("From", self.headers.all("From")[:1])
        for value in self.headers.all("To")[:1]:
            headers.add("To", self._with_tag(value, to_tag))
        headers.extend("Call-ID", self.headers.all("Call-ID")[:1])
        headers.extend("CSeq", self.headers.all("CSeq")[:1])
        return Response(status, printable(reason) if reason else phrase(status), headers)

    @staticmethod
    def _with_tag(value: str, tag: str) -> str:
        try:
            tagless = Address.parse(value).tag is None
        except SipParseError:
            tagless = False
        return f"{value};tag={tag}" if tag and tagless else value


class Response(_Message):
    """A SIP response."""

    def __init__(
        self, status: int, reason: str, headers: Headers | None = None, body: bytes = b""
    ) -> None:
        super().__init__(Headers() if headers is None else headers, body)
        self.status = status
        self.reason = reason

    def _start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"


Message = Request | Response
