"""What the control process and a recognition worker say to each other: short framed messages.

A message is a 17-byte header (kind, stream, body size, position in samples) and its body: samples
as 16-bit little-endian PCM, or JSON. Both ends are ours; still, sizes are checked.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from ...base.errors import AywaError

MAX_BODY = 1 << 20  # bytes

_HEADER = struct.Struct("<BIIQ")


class WireError(AywaError):
    """The other end broke the framing."""


class Kind(IntEnum):
    """What a message is."""

    LOAD = 1  # JSON: a vocabulary's folder; answered by READY
    OPEN = 2  # JSON: a vocabulary's folder
    AUDIO = 3  # samples, the first of them at `position`
    FINALIZE = 4
    CLOSE = 5
    READY = 10  # JSON: memory of the worker in bytes
    TRANSCRIPT = 11  # JSON: a transcript
    FAILED = 12  # JSON: why the stream failed


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    kind: Kind
    stream: int = 0
    body: bytes = b""
    position: int = 0

    def __bytes__(self) -> bytes:
        return _HEADER.pack(self.kind, self.stream, len(self.body), self.position) + self.body


class Unframer:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are complete now. Raises WireError."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, stream, size, position = _HEADER.unpack_from(self._buffer)
            if size > MAX_BODY:
                raise WireError(f"a message of {size} bytes; the limit is {MAX_BODY}.")
            end = _HEADER.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            try:
                frame = Frame(Kind(kind), stream, body, position)
            except ValueError as error:
                raise WireError(f"{error}: no such message.") from error
            yield frame
