"""G.711 µ-law and A-law (ITU-T G.711), by lookup tables over arrays of any shape.

Decoding widens to the usual 16-bit scale. Encoding takes the 14 (µ-law) or 13 (A-law) significant
bits of a 16-bit sample. Tables are made once, from the decision values of the standard.
"""

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Law = Literal["pcmu", "pcma"]
T = TypeVar("T", bound=np.generic)

Pcm = NDArray[np.int16]
Octets = NDArray[np.uint8]

_AT_ONCE = 64  # rows


def _pcmu_levels() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 0xF
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _pcma_levels() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 0xF
    linear = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, linear, (linear + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _pcmu_codes() -> Octets:
    sample = np.arange(65536, dtype=np.int32).astype(np.int16).astype(np.int32) >> 2
    negative = sample < 0
    biased = np.minimum(np.where(negative, -sample, sample), 8158) + 33
    exponent = np.floor(np.log2(biased)).astype(np.int32) - 5
    code = exponent << 4 | (biased >> (exponent + 1) & 0xF)
    octets: Octets = (code ^ np.where(negative, 0x7F, 0xFF)).astype(np.uint8)
    return octets


def _pcma_codes() -> Octets:
    sample = np.arange(65536, dtype=np.int32).astype(np.int16).astype(np.int32) >> 3
    negative = sample < 0
    magnitude = np.where(negative, -sample - 1, sample)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = exponent << 4 | (magnitude >> np.maximum(exponent, 1) & 0xF)
    octets: Octets = (code ^ np.where(negative, 0x55, 0xD5)).astype(np.uint8)
    return octets


_LEVELS: dict[Law, Pcm] = {"pcmu": _pcmu_levels(), "pcma": _pcma_levels()}
_CODES: dict[Law, Octets] = {"pcmu": _pcmu_codes(), "pcma": _pcma_codes()}

_OCTETS = np.arange(65536, dtype=np.uint16).view(np.uint8)
# Two octets at a time, in half the look-ups: a pair of them gives a pair of samples.
_PAIRS = {law: levels[_OCTETS].view(np.uint32) for law, levels in _LEVELS.items()}

SILENCE: dict[Law, int] = {"pcmu": 0xFF, "pcma": 0xD5}
"""The octet that stands for silence."""

PAYLOAD_TYPE: dict[Law, int] = {"pcmu": 0, "pcma": 8}
"""Static RTP payload types (RFC 3551 §6)."""


def decode(octets: Octets, law: Law, out: Pcm | None = None) -> Pcm:
    """Decode octets of any shape to 16-bit samples of the same shape."""
    if out is not None or octets.shape[-1] % 2 or not octets.flags.c_contiguous:
        return _take(_LEVELS[law], octets, out)
    return _take(_PAIRS[law], octets.view(np.uint16), None).view(np.int16)


def encode(pcm: Pcm, law: Law, out: Octets | None = None) -> Octets:
    """Encode 16-bit samples of any shape to octets of the same shape."""
    return _take(_CODES[law], pcm.view(np.uint16), out)


def _take(table: NDArray[T], index: NDArray[Any], out: NDArray[T] | None) -> NDArray[T]:
    # mode="wrap" spares numpy the range check: an 8- or 16-bit index cannot leave its table.
    result: NDArray[T] = np.empty(index.shape, table.dtype) if out is None else out
    if index.ndim < 2:
        return np.take(table, index, out=result, mode="wrap")
    # numpy makes 64-bit indices of all that it is given at a time, eight times the sound.
    for begin in range(0, len(index), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        np.take(table, index[some], out=result[some], mode="wrap")
    return result
