"""Sends files, whole or in part (RFC 9110 §14), without holding them in memory."""

import re
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .problems import Problem

CHUNK = 65_536  # bytes read at a time

_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class Source(Protocol):
    """Bytes of a known number, any part of which can be read."""

    size: int
    version: str
    """Changes when the bytes do."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `stop`."""
        ...


class WholeFile:
    """A file as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size, self.version = _size_and_version(path)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(start)
            while start < stop and (chunk := file.read(min(CHUNK, stop - start))):
                start += len(chunk)
                yield chunk


class MonoMix:
    """A stereo 16-bit WAV file, mixed to one channel while it is read.

    Raises wave.Error, EOFError or OSError for a file that is not such a recording.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with wave.open(str(path), "rb") as recording:
            if (recording.getnchannels(), recording.getsampwidth()) != (2, 2):
                raise wave.Error("a recording has two channels of 16 bits")
            self._frames = recording.getnframes()
            rate = recording.getframerate()
        data = 2 * self._frames
        self._header = _WAV_HEADER.pack(
            *(b"RIFF", _WAV_HEADER.size - 8 + data, b"WAVE"),
            *(b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
            *(b"data", data),
        )
        self.size = len(self._header) + data
        self.version = f"mono-{_size_and_version(path)[1]}"

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        header = len(self._header)
        if start < header:
            yield self._header[start:stop]
        start, stop = max(start - header, 0), max(stop - header, 0)
        with wave.open(str(self._path), "rb") as recording:
            while start < stop:
                frame = start // 2
                recording.setpos(frame)
                count = min(CHUNK // 2, -(-stop // 2) - frame)
                mixed = _mix(recording.readframes(count))
                if not mixed:
                    return
                yield mixed[start - 2 * frame : stop - 2 * frame]
                start = 2 * frame + len(mixed)


def send(request: Request, source: Source, media_type: str, name: str) -> Response:
    """The answer to GET or HEAD, `name` being the file's name at the receiver.

    Raises Problem 416 for a range outside the file. A request for several ranges is answered with
    the whole, as is one whose form is wrong (RFC 9110 §14.2).
    """
    tag = f'"{source.version}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Type": media_type,
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    }
    part = None
    if request.headers.get("if-range", tag) == tag:
        part = _range(request.headers.get("range", ""), source.size)
    start, stop = part or (0, source.size)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{source.size}"
    headers["Content-Length"] = str(stop - start)
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(source.chunks(start, stop), status, headers)


def _range(text: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None: the whole."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", text.strip(), re.ASCII)
    if not match or match.group(1, 2) == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last or size) + 1, size)
        if last and int(last) < start:
            return None
    if start >= stop:
        raise Problem(
            416,
            f"The file has {size} bytes; {text} is outside.",
            {"Content-Range": f"bytes */{size}"},
        )
    return start, stop


def _mix(stereo: bytes) -> bytes:
    """The sum of both channels: people mostly speak in turn, so halving would only be quieter."""
    samples = np.frombuffer(stereo, "<i2").reshape(-1, 2).sum(axis=1, dtype=np.int32)
    mixed: bytes = np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()
    return mixed


def _size_and_version(path: Path) -> tuple[int, str]:
    stat = path.stat()
    return stat.st_size, f"{stat.st_mtime_ns:x}-{stat.st_size:x}"
