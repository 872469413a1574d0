"""The header fields of a message: ordered, repeated, case-insensitive, with compact forms (§7.3).

Values are kept as text and read only when asked for. Content-Length does not appear: it is framing,
checked by the parser and written by the serialiser.
"""

from collections.abc import Iterable, Iterator

from ..errors import LocalSipError
from .grammar import is_token, shown, split_list

_NAMES = (
    "Accept Accept-Encoding Accept-Language Alert-Info Allow Authorization Call-ID Call-Info "
    "Contact Content-Encoding Content-Length Content-Type CSeq Date Error-Info Event Expires From "
    "In-Reply-To Max-Forwards MIME-Version Min-Expires Organization P-Asserted-Identity Priority "
    "Proxy-Authenticate Proxy-Authorization Proxy-Require Reason Record-Route Reply-To Require "
    "Retry-After Route Server Subject Supported Timestamp To Unsupported User-Agent Via Warning "
    "WWW-Authenticate"
)
_KNOWN = _NAMES.split()
_COMPACT = {
    "c": "Content-Type", "e": "Content-Encoding", "f": "From", "i": "Call-ID", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "o": "Event", "s": "Subject", "t": "To", "v": "Via",
    "a": "Accept-Contact", "b": "Referred-By", "d": "Request-Disposition", "j": "Reject-Contact",
    "r": "Refer-To", "u": "Allow-Events", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip
_CANONICAL = {name: name for name in _KNOWN} | {name.lower(): name for name in _KNOWN} | _COMPACT


def canonical(name: str) -> str:
    """The usual spelling of a known name or compact form; another name as it is."""
    known = _CANONICAL.get(name)
    return known if known is not None else _CANONICAL.get(name.lower(), name)


class Headers:
    """Header fields in their order on the wire."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str]] = []
        for name, value in fields:
            self.add(name, value)

    @classmethod
    def received(cls, fields: list[tuple[str, str]]) -> "Headers":
        """Take over fields that a parser has split; their names are canonical already."""
        headers = cls.__new__(cls)
        headers._fields = fields
        return headers

    def add(self, name: str, value: str) -> None:
        """Append a field. Raises LocalSipError for text that would break out of its line."""
        if not is_token(name):
            raise LocalSipError(f"{shown(name)} is not a header name")
        if "\r" in value or "\n" in value:
            raise LocalSipError(f"value of {name} holds a line break: {shown(value)}")
        if not value.isascii() and not _can_leave(value):
            raise LocalSipError(f"value of {name} cannot be written in UTF-8: {shown(value)}")
        self._fields.append((canonical(name), value.strip(" \t")))

    def extend(self, name: str, values: Iterable[str]) -> None:
        """Append one field per value."""
        for value in values:
            self.add(name, value)

    def first(self, name: str) -> str | None:
        """The first field's value, or None."""
        wanted = name.lower()
        for key, value in self._fields:
            if key == name or key.lower() == wanted:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """The value of every field of this name, unsplit."""
        wanted = name.lower()
        return [value for key, value in self._fields if key == name or key.lower() == wanted]

    def items_of(self, name: str) -> list[str]:
        """Every comma-separated item of every field of this name. Raises SipParseError."""
        return [item for value in self.all(name) for item in split_list(value)]

    def replace_first_item(self, name: str, item: str) -> None:
        """Put `item` in the place of the first item of the first field of this name."""
        for index, (key, value) in enumerate(self._fields):
            if key == name:
                rest = split_list(value)[1:]
                self._fields[index] = (key, ", ".join([item, *rest]))
                return

    def __contains__(self, name: str) -> bool:
        return self.first(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]  # mutable while a message is built

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


def _can_leave(value: str) -> bool:
    """Whether text can be written: surrogates are only those that the parser made of bytes."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
