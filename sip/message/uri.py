"""A URI (RFC 3261 §19.1): SIP and SIPS taken apart, any other scheme kept as it is.

Nothing is unescaped: `%40` in a user part is two different things before and after splitting.
"""

import re
from dataclasses import dataclass
from typing import Self

from ..errors import SipParseError
from .grammar import HOST, PASSWORD, PORT, SCHEME, URI_HEADERS, URI_PARAM, USER, number, shown
from .parameters import NONE, Parameters

_SIP_URI = re.compile(
    rf"(?P<scheme>[sS][iI][pP][sS]?):(?:(?P<user>{USER})(?::(?P<password>{PASSWORD}))?@)?"
    rf"(?P<host>{HOST})(?::(?P<port>{PORT}))?"
    rf"(?P<parameters>(?:;{URI_PARAM})*+)(?:\?(?P<headers>{URI_HEADERS}))?"
)
_OTHER_URI = re.compile(rf"({SCHEME}):([!-~]++)")


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP or SIPS URI, or with `opaque` set one of a scheme that we only carry."""

    scheme: str
    """Lower case."""
    host: str = ""
    """As written; an IPv6 address in brackets."""
    user: str | None = None
    password: str | None = None
    port: int | None = None
    parameters: Parameters = NONE
    headers: str = ""
    opaque: str = ""
    """What follows the colon of a URI that is neither sip nor sips."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI. Raises SipParseError."""
        match = _SIP_URI.fullmatch(text)
        if match is None:
            return cls._parse_other(text)
        port = match["port"]
        return cls(
            scheme=match["scheme"].lower(),
            host=match["host"],
            user=match["user"],
            password=match["password"],
            port=None if port is None else number(port, "port", 65535),
            parameters=Parameters.parse_uri(match["parameters"]),
            headers=match["headers"] or "",
        )

    @classmethod
    def _parse_other(cls, text: str) -> Self:
        match = _OTHER_URI.fullmatch(text)
        if match is None or match[1].lower() in {"sip", "sips"}:
            raise SipParseError(f"URI {shown(text)} is not well formed")
        return cls(scheme=match[1].lower(), opaque=match[2])

    @property
    def is_sip(self) -> bool:
        """Whether this is a sip: or sips: URI."""
        return not self.opaque

    @property
    def transport(self) -> str | None:
        """The `transport` parameter in lower case, if there is one."""
        value = self.parameters.get("transport")
        return None if value is None else value.lower()

    def __str__(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        password = "" if self.password is None else f":{self.password}"
        user = "" if self.user is None else f"{self.user}{password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{self.parameters}{headers}"
