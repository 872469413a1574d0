"""Bytes to messages: one datagram at a time, or a stream cut into messages.

A datagram is split into start line, header lines and body; no header value but Content-Length is
read. Text that is not UTF-8 survives as surrogates and leaves again as it came.
"""

import re

from ..errors import SipParseError
from .grammar import TOKEN, is_token, number, shown
from .headers import Headers, canonical
from .message import Message, Request, Response

MAX_HEADER_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_HEADERS = 256

PING = b"\r\n\r\n"  # RFC 5626 §4.4.1: a keep-alive on a stream, answered by PONG
PONG = b"\r\n"

_REQUEST_LINE = re.compile(rf"({TOKEN}) (.*) [sS][iI][pP]/([0-9]{{1,4}}\.[0-9]{{1,4}})[ \t]*")
_STATUS_LINE = re.compile(r"[sS][iI][pP]/2\.0 ([1-6][0-9][0-9])(?: (.*))?")
_FOLD = re.compile(r"\r\n[ \t]+")
_CONTENT_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:(?:[ \t]|\r\n(?=[ \t]))*+([^\r\n]*+)", re.IGNORECASE
)


def parse_message(data: bytes) -> Message:
    """Read one datagram, or one message that StreamParser cut out of a stream.

    Octets after Content-Length are ignored (RFC 3261 §18.3). Raises SipParseError; its `request` is
    set when the start line could be read, so that the peer can be told.
    """
    data = data.lstrip(b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    if len(head) > MAX_HEADER_BYTES:
        raise SipParseError(f"headers of {len(head)} bytes exceed {MAX_HEADER_BYTES}")
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    start, *lines = text.removesuffix("\r\n").split("\r\n")
    fields: list[tuple[str, str]] = []
    message = _start(start, fields)
    try:
        length = _read_fields(lines, fields)
        if start[-1:] in (" ", "\t") and isinstance(message, Request):
            raise SipParseError("the request line ends in white space")
        message.body = _cut(body, length)
    except SipParseError as error:
        request = message if isinstance(message, Request) else None
        raise SipParseError(str(error), status=error.status, request=request) from None
    return message


def _start(line: str, fields: list[tuple[str, str]]) -> Message:
    headers = Headers.received(fields)
    if "\r" in line or "\n" in line:
        raise SipParseError(f"start line {shown(line)} holds a bare line break")
    if match := _STATUS_LINE.fullmatch(line):
        return Response(int(match[1]), match[2] or "", headers)
    if match := _REQUEST_LINE.fullmatch(line):
        return Request(match[1], match[2], headers, version=match[3])
    raise SipParseError(f"{shown(line)} is neither a request line nor a status line")


def _read_fields(lines: list[str], fields: list[tuple[str, str]]) -> int | None:
    """Fill `fields`; give back Content-Length. A fault is raised when all lines are read."""
    fault: str | None = None
    lengths: set[str] = set()
    for line in lines[:MAX_HEADERS]:
        name, colon, value = line.partition(":")
        name = canonical(name.rstrip(" \t"))
        value = value.strip(" \t")
        if not colon or not is_token(name):
            fault = fault or f"line {shown(line)} is not a header"
        elif "\r" in value or "\n" in value or "\x00" in value.replace("\\\x00", ""):
            fault = fault or f"{name} holds a line break or NUL"
        elif name == "Content-Length":
            lengths.add(value)
        else:
            fields.append((name, value))
    if len(lines) > MAX_HEADERS:
        fault = fault or f"more than {MAX_HEADERS} header lines"
    if len(lengths) > 1:
        fault = fault or "Content-Length values differ"
    if fault:
        raise SipParseError(fault)
    return _length(lengths.pop()) if lengths else None


def _length(text: str) -> int:
    value = number(text, "Content-Length", 10**12)
    if value > MAX_BODY_BYTES:
        raise SipParseError(f"body of {value} bytes exceeds {MAX_BODY_BYTES}", status=413)
    return value


def _cut(body: bytes, length: int | None) -> bytes:
    if length is None:
        if len(body) > MAX_BODY_BYTES:
            raise SipParseError(f"body of {len(body)} bytes exceeds {MAX_BODY_BYTES}", status=413)
        return body
    if length > len(body):
        raise SipParseError(f"Content-Length is {length}, but only {len(body)} bytes follow")
    return body[:length]


class StreamParser:
    """Cuts a stream into messages by Content-Length (RFC 3261 §18.3).

    Feed it bytes as they come; it gives back whole messages, unparsed, and PING for a keep-alive.
    Once `lost` is set the framing is gone: answer what came out last, then close the connection.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed: int | None = None  # size of the message in front, once its headers are here
        self._scanned = 0  # how far the end of the headers has been looked for
        self.lost: str | None = None
        """Why the stream cannot be followed further."""

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer.strip(b"\r\n"))

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; give back every message that is complete now."""
        if self.lost:
            return []
        self._buffer += data
        messages: list[bytes] = []
        while not self.lost and (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if self._needed is None:
            if buffer.startswith(b"\r\n"):
                return self._keep_alive()
            self._needed = self._measure()
        if self.lost:
            head, self._buffer = bytes(buffer), bytearray()
            return head if PING in head else None
        if self._needed is None or len(buffer) < self._needed:
            return None
        message = bytes(buffer[: self._needed])
        del buffer[: self._needed]
        self._needed, self._scanned = None, 0
        return message

    def _keep_alive(self) -> bytes | None:
        """Swallow CRLFs between messages; two of them are a ping."""
        if self._buffer.startswith(PING):
            del self._buffer[:4]
            return PING
        if len(self._buffer) == 2:
            return None  # the second half of a ping may be on its way
        if self._buffer[2:3] == b"\r" and len(self._buffer) == 3:
            return None
        del self._buffer[:2]
        return self._next()

    def _measure(self) -> int | None:
        """Size of the message in front, None while its headers are incomplete."""
        end = self._buffer.find(PING, self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - 3)
            if len(self._buffer) > MAX_HEADER_BYTES:
                self.lost = f"no end of headers within {MAX_HEADER_BYTES} bytes"
            return None
        head = bytes(self._buffer[: end + 4])
        if len(head) > MAX_HEADER_BYTES + 4:
            self.lost = f"headers of {len(head)} bytes exceed {MAX_HEADER_BYTES}"
            return None
        values = {match[1].rstrip() for match in _CONTENT_LENGTH.finditer(head)}
        try:
            if len(values) > 1:
                raise SipParseError("Content-Length values differ")
            length = _length(values.pop().decode("latin-1")) if values else 0
        except SipParseError as error:
            self.lost = str(error)
            return None
        return len(head) + length
