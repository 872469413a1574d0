"""The grammar of authentication headers: a scheme and its parameters, several in one field.

`Digest realm="a", nonce="b", Digest realm="a", nonce="c"` is two challenges (RFC 3261 §20.27,
RFC 8760 §2.5): the comma between them is the comma between parameters.
"""

import re
from dataclasses import dataclass

from ..errors import SipParseError
from .grammar import QUOTED_STRING, SWS, TOKEN, shown, unquoted

_PARAMETER = re.compile(
    rf"{SWS}(?:({TOKEN})[ \t]++(?=[^ \t=,]))?({TOKEN}){SWS}={SWS}({QUOTED_STRING}|[^\s,\"]*+){SWS}"
)
_OTHER_FORM = re.compile(r"[!-~]+(?:[ \t]+[A-Za-z0-9\-._~+/]+=*)?")
"""A scheme alone, or with one word, such as `Basic dXNlcg==`."""

MAX_LENGTH = 8_192
MAX_PARAMETERS = 64


@dataclass(frozen=True, slots=True)
class AuthValue:
    """One challenge or one set of credentials. Names are in lower case, values unquoted."""

    scheme: str
    """Lower case."""
    parameters: dict[str, str]

    def get(self, name: str) -> str | None:
        """The value of a parameter."""
        return self.parameters.get(name)


def parse_auth(field: str) -> list[AuthValue]:
    """Read one header field. Raises SipParseError; a scheme without parameters is left out."""
    if len(field) > MAX_LENGTH:
        raise SipParseError(f"an authentication header of {len(field)} characters is too long")
    if _OTHER_FORM.fullmatch(field):
        return []
    values: list[AuthValue] = []
    position = count = 0
    while position < len(field):
        match = _PARAMETER.match(field, position)
        count += 1
        if match is None or count > MAX_PARAMETERS:
            raise SipParseError(f"{shown(field[position:])} is no authentication parameter")
        _take(values, *match.groups())
        position = match.end() + 1
        if field[match.end() : position] not in ("", ","):
            raise SipParseError(f"{shown(field[match.end() :])} follows a parameter")
    return values


def _take(values: list[AuthValue], scheme: str | None, name: str, value: str) -> None:
    if scheme:
        values.append(AuthValue(scheme.lower(), {}))
    if not values:
        raise SipParseError(f"the parameter {shown(name)} comes before any scheme")
    if name.lower() in values[-1].parameters:
        raise SipParseError(f"the parameter {shown(name)} stands twice")
    values[-1].parameters[name.lower()] = unquoted(value)
