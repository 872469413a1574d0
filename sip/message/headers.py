"""The header fields of a message: ordered, repeated, case-insensitive, with compact forms (§7.3).

Values are kept as text and read only when asked for. Content-Length does not appear: it is framing,
checked by the parser and written by the serialiser.
"""

from collections.abc import Iterable, Iterator, Sequence

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


def known(name: str) -> str | None:
    """The usual spelling of a name that stands as it usually does, or None: look closer."""
    return _CANONICAL.get(name)


def canonical(name: str) -> str:
    """The usual spelling of a known name or compact form; another name as it is."""
    return _CANONICAL.get(name) or _CANONICAL.get(name.lower(), name)


class Headers:
    """Header fields in their order on the wire."""

    __slots__ = ("_fields", "_values")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: list[tuple[str, str]] = []
        self._values: dict[str, list[str]] | None = None
        """By name in lower case; made at the first look, gone with the next change."""
        for name, value in fields:
            self.add(name, value)

    @classmethod
    def received(cls, fields: list[tuple[str, str]]) -> "Headers":
        """Take over fields that a parser has split; their names are canonical already."""
        headers = cls.__new__(cls)
        headers._fields = fields
        headers._values = None
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
        self._values = None

    def extend(self, name: str, values: Iterable[str]) -> None:
        """Append one field per value."""
        for value in values:
            self.add(name, value)

    def first(self, name: str) -> str | None:
        """The first field's value, or None."""
        values = self._of(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """The value of every field of this name, unsplit."""
        return list(self._of(name))

    def items_of(self, name: str) -> list[str]:
        """Every comma-separated item of every field of this name. Raises SipParseError."""
        return [item for value in self._of(name) for item in split_list(value)]

    def replace_first_item(self, name: str, item: str) -> None:
        """Put `item` in the place of the first item of the first field of this name."""
        for index, (key, value) in enumerate(self._fields):
            if key == name:
                rest = split_list(value)[1:]
                self._fields[index] = (key, ", ".join([item, *rest]))
                self._values = None
                return

    def _of(self, name: str) -> Sequence[str]:
        if self._values is None:
            self._values = {}
            for key, value in self._fields:
                self._values.setdefault(key.lower(), []).append(value)
        return self._values.get(name.lower(), ())

    def __contains__(self, name: str) -> bool:
        return bool(self._of(name))

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
