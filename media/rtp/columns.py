"""RTP headers of a batch of packets as array columns (RFC 3550 §5.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER_SIZE = 12  # octets, without CSRCs and extension

_PADDING, _EXTENSION, _CSRC_COUNT = 0x20, 0x10, 0x0F

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RtpColumns:
    """One element per packet. Where `valid` is False the other columns mean nothing."""

    valid: NDArray[np.bool_]
    payload_type: Ints
    marker: NDArray[np.bool_]
    sequence: Ints
    timestamp: Ints
    ssrc: Ints
    offset: Ints
    """Where the payload begins, octets."""
    size: Ints
    """How long the payload is, octets, padding taken off."""


def is_rtcp(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which packets are RTCP when both share a port: payload types 64 to 95 (RFC 5761 §4)."""
    kind = data[:, 1] & 0x7F
    muxed: NDArray[np.bool_] = (kind >= 64) & (kind <= 95)
    return muxed


def parse(data: NDArray[np.uint8], length: Ints) -> RtpColumns:
    """Read the headers of packets: `data` of shape (n, width), `length` octets of each row."""
    head = data[:, :HEADER_SIZE].astype(np.int64)
    offset = HEADER_SIZE + 4 * (head[:, 0] & _CSRC_COUNT)
    end = length.copy()
    valid = (length >= HEADER_SIZE) & (length <= data.shape[1]) & (head[:, 0] >> 6 == 2)
    for row in np.flatnonzero(valid & (head[:, 0] & (_PADDING | _EXTENSION) != 0)):
        # Few packets carry an extension or padding; those few are read one by one.
        offset[row], end[row] = _payload_bounds(data[row], int(offset[row]), int(end[row]))
    size = end - offset
    return RtpColumns(
        valid=valid & (size >= 0),
        payload_type=head[:, 1] & 0x7F,
        marker=head[:, 1] >= 0x80,
        sequence=head[:, 2] << 8 | head[:, 3],
        timestamp=head[:, 4] << 24 | head[:, 5] << 16 | head[:, 6] << 8 | head[:, 7],
        ssrc=head[:, 8] << 24 | head[:, 9] << 16 | head[:, 10] << 8 | head[:, 11],
        offset=offset,
        size=size,
    )


def write_headers(
    out: NDArray[np.uint8],
    payload_type: Ints,
    marker: NDArray[np.bool_],
    sequence: Ints,
    timestamp: Ints,
    ssrc: Ints,
) -> None:
    """Write plain 12-octet headers into the first columns of `out`, shape (n, width)."""
    out[:, 0] = 0x80
    out[:, 1] = payload_type | marker.astype(np.int64) << 7
    out[:, 2] = sequence >> 8
    out[:, 3] = sequence & 0xFF
    for column, shift in enumerate((24, 16, 8, 0)):
        out[:, 4 + column] = timestamp >> shift & 0xFF
        out[:, 8 + column] = ssrc >> shift & 0xFF


def _payload_bounds(packet: NDArray[np.uint8], offset: int, end: int) -> tuple[int, int]:
    """Begin and end of the payload; an end before the begin marks the packet as broken."""
    broken = (offset, offset - 1)
    if packet[0] & _EXTENSION:
        if offset + 4 > end:
            return broken
        offset += 4 + 4 * (int(packet[offset + 2]) << 8 | int(packet[offset + 3]))
    if packet[0] & _PADDING and offset < end:
        padding = int(packet[end - 1])
        if not 0 < padding <= end - offset:
            return offset, offset - 1
        end -= padding
    return offset, end
