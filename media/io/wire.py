"""Commands and events on the local socket between the planes.

One message: a length, a JSON list of values, and behind it the octets of all arrays, so that audio
is never turned into text. Both ends are ours and of one version; still, nothing is executed.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any, get_args

import numpy as np

from .. import MediaError, plane
from ..quality import StreamReport

MAX_MESSAGE = 64 * 1024 * 1024  # octets

_LENGTHS = struct.Struct("!II")
_ARRAY, _OCTETS, _TUPLE, _TEXTS, _REPORT = "~a", "~o", "~t", "~s", "~r"


def _types(union: UnionType) -> dict[str, type]:
    return {kind.__name__: kind for kind in get_args(union)}


_VALUES = _types(plane.Asked) | _types(plane.Told)
_FIELDS = {name: [field.name for field in fields(kind)] for name, kind in _VALUES.items()}


def pack(values: Sequence[plane.Asked] | Sequence[plane.Told]) -> bytes:
    """One message with all of `values`."""
    blobs: list[bytes] = []
    listed = []
    for value in values:
        name = type(value).__name__
        listed.append([name, *(_packed(getattr(value, key), blobs) for key in _FIELDS[name])])
    head = json.dumps(listed, separators=(",", ":")).encode()
    lengths = _LENGTHS.pack(len(head), sum(map(len, blobs)))
    return b"".join([lengths, head, *blobs])


class Unpacker:
    """Makes values of a byte stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that `data` completes. Raises MediaError."""
        self._buffer += data
        while len(self._buffer) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(self._buffer)
            end = _LENGTHS.size + head + body
            if end > MAX_MESSAGE:
                raise MediaError(f"a message of {end} octets between the planes")
            if len(self._buffer) < end:
                return
            message = bytes(self._buffer[_LENGTHS.size : end])
            del self._buffer[:end]
            yield from _unpacked(message[:head], memoryview(message)[head:])


def _packed(value: Any, blobs: list[bytes]) -> Any:
    match value:
        case np.ndarray():
            blobs.append(value.tobytes())
            return {_ARRAY: [len(blobs[-1]), value.dtype.str, *value.shape]}
        case bytes():
            blobs.append(value)
            return {_OCTETS: len(value)}
        case tuple() if set(map(type, value)) == {str}:  # many names: no step for each
            return {_TEXTS: value}
        case tuple():
            return {_TUPLE: [_packed(one, blobs) for one in value]}
        case StreamReport():
            return {_REPORT: value.as_document()}
        case _:
            return value


def _unpacked(head: bytes, body: memoryview) -> Iterator[Any]:
    position = 0

    def value_of(text: Any) -> Any:
        nonlocal position
        if not isinstance(text, dict):
            return text
        [(kind, content)] = text.items()
        if kind == _TUPLE:
            return tuple(map(value_of, content))
        if kind == _TEXTS:
            return tuple(content)
        if kind == _REPORT:
            return StreamReport(**content)
        size = content if kind == _OCTETS else content[0]
        data = body[position : position + size]
        position += size
        if kind == _OCTETS:
            return bytes(data)
        return np.frombuffer(data, content[1]).reshape(content[2:])

    for name, *texts in json.loads(head):
        yield _VALUES[name](*map(value_of, texts))
