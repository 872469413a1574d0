"""The grammar of RFC 3261 §25.1 as regular expressions, under the RFC's own names.

Header values reach these patterns unfolded, so linear white space is spaces and tabs. Every pattern
is linear in its input: alternatives begin with different characters, repetitions are possessive.

We diverge from the RFC where deployed peers do and nothing is lost: a parameter's value may hold
any visible character but separators, and an unquoted display name need not be tokens.
"""

import re

from ..errors import SipParseError

LWS = r"[ \t]+"
SWS = r"[ \t]*+"
TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"  # noqa: S105 - the grammar's token, no password
QUOTED_STRING = r'"(?:[^"\\]|\\.)*+"'
HOSTNAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*+)"
IPV6_REFERENCE = r"\[[0-9A-Fa-f:.]++\]"
HOST = rf"(?:{HOSTNAME}|{IPV6_REFERENCE})"
PORT = r"[0-9]{1,5}+"
GENERIC_VALUE = r'[^\s;,"<>\\\x00-\x1f]++'
GENERIC_PARAM = rf"{TOKEN}(?:{SWS}={SWS}(?:{GENERIC_VALUE}|{QUOTED_STRING}))?+"

UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
USER = rf"[{UNRESERVED}%&=+$,;?/#]++"
PASSWORD = rf"[{UNRESERVED}%&=+$,]*+"
PARAM_CHARS = rf"[{UNRESERVED}%\[\]/:&+$]++"
URI_PARAM = rf"{PARAM_CHARS}(?:={PARAM_CHARS})?+"
URI_HEADERS = rf"[{UNRESERVED}%\[\]/?:+$=&]++"
SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*+"

_TOKEN = re.compile(TOKEN)
_LIST_ITEM = re.compile(rf'(?:[^,"<]|{QUOTED_STRING}|<[^<>]*+>)*+')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def is_token(text: str) -> bool:
    """Whether `text` is a token, as method and header names must be."""
    return _TOKEN.fullmatch(text) is not None


def split_list(value: str) -> list[str]:
    """Split `a, b` at the commas outside quotes and angle brackets; raises SipParseError."""
    if "," not in value and '"' not in value:
        return [value]
    items: list[str] = []
    position = 0
    while True:
        match = _LIST_ITEM.match(value, position)
        position = match.end() if match else position
        if position < len(value) and value[position] != ",":
            raise SipParseError(f"unbalanced {value[position]!r} in {shown(value)}")
        items.append(match.group().strip(" \t") if match else "")
        if position >= len(value):
            return items
        position += 1


def quoted(text: str) -> str:
    """Write `text` as a quoted-string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(text: str) -> str:
    """The text that a quoted-string stands for; anything else is given back as it is."""
    if len(text) < 2 or text[0] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1])


def number(text: str, what: str, limit: int) -> int:
    """Read decimal digits up to `limit`; raises SipParseError that names `what`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 40 or int(text) > limit:
        raise SipParseError(f"{what} is {shown(text)}, expected a number up to {limit}")
    return int(text)


def shown(text: str, length: int = 60) -> str:
    """Peer text, fit to stand in an error message."""
    clear = text.encode("ascii", "backslashreplace").decode()
    return repr(clear if len(clear) <= length else clear[:length] + "…")
