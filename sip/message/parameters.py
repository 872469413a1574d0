"""Parameters, `;name=value` or `;name`, of a URI or a header value (RFC 3261 §7.3.1, §19.1.1)."""

import re
from dataclasses import dataclass
from typing import Self

from ..errors import SipParseError
from .grammar import GENERIC_VALUE, PARAM_CHARS, QUOTED_STRING, SWS, TOKEN, shown

_HEADER_PARAM = re.compile(
    rf"{SWS};{SWS}({TOKEN})(?:{SWS}={SWS}({QUOTED_STRING}|{GENERIC_VALUE}))?+{SWS}"
)
_URI_PARAM = re.compile(rf";({PARAM_CHARS})(?:=({PARAM_CHARS}))?+")


@dataclass(frozen=True, slots=True)
class Parameters:
    """An ordered set of parameters. Names compare without case; values are kept as written."""

    items: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `;a=b;c` after a header value. Raises SipParseError."""
        return cls._scan(_HEADER_PARAM, text)

    @classmethod
    def parse_uri(cls, text: str) -> Self:
        """Read `;a=b;c` of a SIP URI, whose characters are fewer. Raises SipParseError."""
        return cls._scan(_URI_PARAM, text)

    @classmethod
    def _scan(cls, pattern: re.Pattern[str], text: str) -> Self:
        items: list[tuple[str, str | None]] = []
        position = 0
        while position < len(text):
            match = pattern.match(text, position)
            if match is None:
                raise SipParseError(f"parameters {shown(text)} are not ;name=value")
            items.append((match[1], match[2]))
            position = match.end()
        return cls(tuple(items))

    def __contains__(self, name: str) -> bool:
        return any(key.lower() == name for key, _ in self.items)

    def get(self, name: str) -> str | None:
        """The value of the parameter with this lower-case name; None if absent or without value."""
        for key, value in self.items:
            if key.lower() == name:
                return value
        return None

    def having(self, name: str, value: str | None = None) -> Self:
        """A copy in which the parameter `name` has `value`, in its old place or at the end."""
        kept = [(k, value if k.lower() == name else v) for k, v in self.items]
        if name not in self:
            kept.append((name, value))
        return type(self)(tuple(kept))

    def __str__(self) -> str:
        return "".join(f";{k}" if v is None else f";{k}={v}" for k, v in self.items)


NONE = Parameters()
"""No parameters at all."""
