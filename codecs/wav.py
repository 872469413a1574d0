"""WAV files: 16-bit PCM written, 16-bit PCM and G.711 read.

A recording's header is written before its length is known. Until the file is finished the sizes say
"to the end of the file" (0xFFFFFFFF, both of them), which tolerant readers take as such; then a
header with the true sizes takes its place. So it stays with more audio than the sizes can tell.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import AywaError
from .g711 import Law, decode
from .pcm import Pcm

HEADER_SIZE = 44
UNKNOWN_SIZE = 0xFFFF_FFFF
MAX_DATA_SIZE = UNKNOWN_SIZE - HEADER_SIZE  # bytes of audio that a header can tell
MAX_FILE_SIZE = 512 * 1024 * 1024  # bytes that `read` accepts

_PCM, _PCMA, _PCMU, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_LAWS: dict[int, Law] = {_PCMA: "pcma", _PCMU: "pcmu"}


class WavError(AywaError):
    """The bytes are not a WAV file that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Samples of shape (samples, channels), and how many of them make a second."""

    pcm: Pcm
    rate: int

    def mono(self) -> Pcm:
        """The only channel, or the first one."""
        return np.ascontiguousarray(self.pcm[:, 0])


def header(rate: int, channels: int, data_size: int | None = None) -> bytes:
    """The 44-byte header of a 16-bit PCM file; without `data_size` (bytes) its sizes are open."""
    riff = size = UNKNOWN_SIZE
    if data_size is not None and data_size <= MAX_DATA_SIZE:
        riff, size = HEADER_SIZE - 8 + data_size, data_size
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        rate,
        rate * channels * 2,
        channels * 2,
        16,
        b"data",
        size,
    )


def write(path: Path, pcm: Pcm, rate: int) -> None:
    """Write mono (samples,) or multi-channel (samples, channels) PCM."""
    channels = 1 if pcm.ndim == 1 else pcm.shape[1]
    data = np.ascontiguousarray(pcm).astype("<i2").tobytes()
    path.write_bytes(header(rate, channels, len(data)) + data)


def read(path: Path) -> Clip:
    """Read a file. Raises WavError, or OSError when the file cannot be opened."""
    size = path.stat().st_size
    if size > MAX_FILE_SIZE:
        raise WavError(f"{path} has {size} bytes, expected at most {MAX_FILE_SIZE}")
    with path.open("rb") as file:
        return parse(file.read(size))  # no more than that: a device would never end


def parse(data: bytes) -> Clip:
    """Read the bytes of a WAV file. Raises WavError."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WavError("not a WAV file: it does not begin with RIFF and WAVE")
    kind: tuple[int, int, int, int] | None = None
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], _uint32(data, position + 4)
        body = data[position + 8 : position + 8 + size]
        if name == b"fmt ":
            kind = _format(body)
        elif name == b"data":
            if kind is None:
                raise WavError("the data chunk comes before the fmt chunk")
            return _clip(body, *kind)
        position += 8 + size + size % 2
    raise WavError("the file has no data chunk")


def _uint32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _format(body: bytes) -> tuple[int, int, int, int]:
    if len(body) < 16:
        raise WavError(f"the fmt chunk has {len(body)} bytes, expected at least 16")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")
    if not 1 <= channels <= 8 or not 1_000 <= rate <= 384_000:
        raise WavError(f"{channels} channels at {rate} Hz: expected 1 to 8 at 1 to 384 kHz")
    return code, channels, rate, bits


def _clip(body: bytes, code: int, channels: int, rate: int, bits: int) -> Clip:
    if code == _PCM and bits == 16:
        whole = len(body) - len(body) % (2 * channels)
        pcm = np.frombuffer(body[:whole], "<i2").astype(np.int16)
    elif code in _LAWS and bits == 8:
        whole = len(body) - len(body) % channels
        pcm = decode(np.frombuffer(body[:whole], np.uint8), _LAWS[code])
    else:
        raise WavError(f"format {code} with {bits} bits: expected 16-bit PCM, µ-law or A-law")
    return Clip(pcm.reshape(-1, channels), rate)
