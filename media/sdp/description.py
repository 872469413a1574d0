"""A session description as a value (RFC 8866).

Tolerant of what real peers send: bare line feeds, no final newline, spaces at line ends, lines of
unknown type. Strict where a guess would be wrong: no version, no media address, no numbers.
"""

from dataclasses import dataclass
from typing import NoReturn, Self

from ...base.errors import AywaError

MAX_SIZE = 65_536  # bytes
MAX_LINES = 1_000
MAX_MEDIA = 32
MAX_PORT = 65_535
MAX_ID = 2**64 - 1  # of a session or version

Attributes = tuple[tuple[str, str], ...]


class SdpError(AywaError):
    """The text is no session description; the message names the line."""


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m-line and what belongs to it. `address` is that of its own c-line, if it has one."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    address: str | None = None
    attributes: Attributes = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of that name; a flag has the value ""."""
        return next((value for key, value in self.attributes if key == name), None)

    def lines(self) -> list[str]:
        """The lines of this description."""
        connection = [f"c={_connection(self.address)}"] if self.address else []
        m_line = f"m={self.kind} {self.port} {self.protocol} {' '.join(self.formats)}"
        return [m_line, *connection, *_attribute_lines(self.attributes)]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description. `address` is that of the session's c-line, if there is one."""

    origin_address: str
    session_id: int
    version: int
    media: tuple[MediaDescription, ...]
    address: str | None = None
    attributes: Attributes = ()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a description. Raises SdpError."""
        reader = _Reader(body)
        session_id, version, origin = reader.origin()
        return cls(
            origin_address=origin,
            session_id=session_id,
            version=version,
            media=tuple(reader.media()),
            address=reader.session.address,
            attributes=tuple(reader.session.attributes),
        )

    def attribute(self, name: str) -> str | None:
        """The value of the first session-level attribute of that name."""
        return next((value for key, value in self.attributes if key == name), None)

    def __bytes__(self) -> bytes:
        lines = [
            "v=0",
            f"o=- {self.session_id} {self.version} {_connection(self.origin_address)}",
            "s=-",
            *([f"c={_connection(self.address)}"] if self.address else []),
            "t=0 0",
            *_attribute_lines(self.attributes),
        ]
        for media in self.media:
            lines += media.lines()
        return "".join(f"{line}\r\n" for line in lines).encode()


class _Section:
    """Lines of the session, or of one m-line."""

    def __init__(self, m_line: str | None, number: int) -> None:
        self.m_line = m_line
        self.number = number
        self.address: str | None = None
        self.attributes: list[tuple[str, str]] = []


class _Reader:
    def __init__(self, body: bytes) -> None:
        if len(body) > MAX_SIZE:
            raise SdpError(
                f"the session description has {len(body)} bytes, expected at most {MAX_SIZE}"
            )
        text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        if len(lines) > MAX_LINES:
            raise SdpError(f"the session description has more than {MAX_LINES} lines")
        self.session = _Section(None, 0)
        self._sections = [self.session]
        self._origin: str | None = None
        self._number = 0
        for line in lines:
            self._number += 1
            if line.strip():
                self._read(line.rstrip())

    def origin(self) -> tuple[int, int, str]:
        fields = (self._origin or "").split()
        if len(fields) < 6:
            raise SdpError("the session description has no o= line of six fields")
        # RFC 8866 §5.2 wants numbers; a peer's other text is of no use to us and counts as 0.
        session_id, version = (whole_number(text, MAX_ID) or 0 for text in fields[1:3])
        return session_id, version, fields[5]

    def media(self) -> list[MediaDescription]:
        return [self._media(section) for section in self._sections[1:]]

    def _read(self, line: str) -> None:
        if self._number == 1 and line != "v=0":
            self._fail(f"begins with {line[:40]!r}, expected v=0")
        kind, equals, value = line.partition("=")
        if not equals or len(kind) != 1:
            self._fail(f"reads {line[:40]!r}, expected a letter and =")
        section = self._sections[-1]
        match kind:
            case "o":
                self._origin = self._origin or value
            case "c":
                section.address = self._address(value)
            case "a":
                name, _, text = value.partition(":")
                section.attributes.append((name.strip(), text.strip()))
            case "m":
                if len(self._sections) > MAX_MEDIA:
                    self._fail(f"is one m= line more than the {MAX_MEDIA} allowed")
                self._sections.append(_Section(value, self._number))

    def _address(self, value: str) -> str:
        fields = value.split()
        if len(fields) != 3 or fields[0] != "IN" or fields[1] not in {"IP4", "IP6"}:
            self._fail(f"reads c={value[:40]}, expected IN, IP4 or IP6 and an address")
        return fields[2].split("/")[0]

    def _media(self, section: _Section) -> MediaDescription:
        self._number = section.number
        fields = (section.m_line or "").split()
        if len(fields) < 4:
            self._fail("is an m= line of fewer than four fields")
        port = whole_number(fields[1].split("/")[0], MAX_PORT)
        if port is None:
            self._fail(f"has the port {fields[1][:20]!r}, expected 0 to {MAX_PORT}")
        return MediaDescription(
            kind=fields[0],
            port=port,
            protocol=fields[2],
            formats=tuple(fields[3:]),
            address=section.address,
            attributes=tuple(section.attributes),
        )

    def _fail(self, what: str) -> NoReturn:
        raise SdpError(f"line {self._number} of the session description {what}")


def whole_number(text: str, maximum: int) -> int | None:
    """The number from 0 to `maximum` that `text` is, or None."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    return number if (number := int(text)) <= maximum else None


def _connection(address: str) -> str:
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [f"a={name}:{value}" if value else f"a={name}" for name, value in attributes]
