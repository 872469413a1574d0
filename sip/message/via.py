"""A Via value: one hop that a request took and its response takes back (RFC 3261 §20.42)."""

import re
from dataclasses import dataclass, replace
from typing import Self

from ..errors import SipParseError
from .grammar import HOST, LWS, PORT, SWS, TOKEN, number, shown
from .parameters import NONE, Parameters

MAGIC_COOKIE = "z9hG4bK"  # RFC 3261 §8.1.1.7

_VIA = re.compile(
    rf"[sS][iI][pP]{SWS}/{SWS}(?P<version>[0-9]+\.[0-9]+){SWS}/{SWS}(?P<transport>{TOKEN}){LWS}"
    rf"(?P<host>{HOST})(?:{SWS}:{SWS}(?P<port>{PORT}))?(?P<parameters>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Via:
    """Where a request passed, and where its response must go."""

    transport: str
    """Upper case: UDP, TCP, TLS …"""
    host: str
    """The sent-by host; an IPv6 address in brackets."""
    port: int | None = None
    parameters: Parameters = NONE
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one Via value. Raises SipParseError."""
        match = _VIA.fullmatch(text)
        if match is None:
            raise SipParseError(f"Via {shown(text)} is not well formed")
        port = match["port"]
        return cls(
            transport=match["transport"].upper(),
            host=match["host"],
            port=None if port is None else number(port, "port of Via", 65535),
            parameters=Parameters.parse(match["parameters"]),
            version=match["version"],
        )

    @property
    def branch(self) -> str:
        """The branch, or an empty string."""
        return self.parameters.get("branch") or ""

    @property
    def identifies(self) -> bool:
        """Whether the branch is globally unique: the cookie and something after it (§17.2.3)."""
        return self.branch.startswith(MAGIC_COOKIE) and len(self.branch) > len(MAGIC_COOKIE)

    @property
    def sent_by(self) -> str:
        """Host and port of the sender, for comparison."""
        return f"{self.host.lower()}:{self.port or 5060}"

    def seen_from(self, host: str, port: int) -> Self:
        """A copy that records the address a request really came from.

        RFC 3261 §18.2.1: `received` when the sent-by host is another. RFC 3581 §4: with `rport`
        both are recorded, always.
        """
        parameters = self.parameters
        if "rport" in parameters:
            parameters = parameters.having("received", host).having("rport", str(port))
        elif self.host.strip("[]").lower() != host.lower():
            parameters = parameters.having("received", host)
        return replace(self, parameters=parameters)

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/{self.version}/{self.transport} {self.host}{port}{self.parameters}"
