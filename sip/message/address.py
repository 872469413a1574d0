"""The value of From, To, Contact, Route and Record-Route: a name-addr or addr-spec (§20.10)."""

import re
from dataclasses import dataclass, replace
from typing import Self

from ..errors import SipParseError
from .grammar import QUOTED_STRING, SWS, quoted, shown, unquoted
from .parameters import NONE, Parameters
from .uri import Uri

_NAME_ADDR = re.compile(
    rf'(?P<name>{QUOTED_STRING}{SWS}|[^<>",;\\]*+)<(?P<uri>[^<>]*+)>(?P<parameters>.*)', re.DOTALL
)
_ADDR_SPEC = re.compile(r'(?P<uri>[^<>",;?\s]++)(?P<parameters>.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """A URI with a display name and header parameters such as `tag`."""

    uri: Uri
    display_name: str | None = None
    """Unquoted; None when there is none."""
    parameters: Parameters = NONE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one address. Raises SipParseError.

        Without angle brackets a semicolon ends the URI, and a comma or question mark is an error
        (RFC 3261 §20).
        """
        match = _NAME_ADDR.fullmatch(text)
        if match is not None:
            name = match["name"].strip(" \t")
        else:
            match = _ADDR_SPEC.fullmatch(text)
            name = ""
        if match is None:
            raise SipParseError(f"address {shown(text)} is not well formed")
        uri = Uri.parse(match["uri"])
        return cls(uri, unquoted(name) if name else None, Parameters.parse(match["parameters"]))

    @property
    def tag(self) -> str | None:
        """The dialog tag of this end, if it has one."""
        return self.parameters.get("tag")

    def tagged(self, tag: str) -> Self:
        """A copy with this tag."""
        return replace(self, parameters=self.parameters.having("tag", tag))

    def __str__(self) -> str:
        name = "" if self.display_name is None else f"{quoted(self.display_name)} "
        return f"{name}<{self.uri}>{self.parameters}"
