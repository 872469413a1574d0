"""RTP headers of a batch of packets as array columns (RFC 3550 §5.1).

The judgements are those of `packet.RtpPacket.parse`, without a Python step per packet.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEADER_SIZE = 12  # octets, without CSRCs and extension

_HEADER = np.dtype(
    [("first", "u1"), ("second", "u1"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4")]
)
_PLAIN = 0x80
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
    """Read the headers of packets: `data` of shape (n, width ≥ 12), `length` octets of each row.

    A row longer than the width was cut when it was received; it is not valid.
    """
    head = data[:, :HEADER_SIZE].view(_HEADER)[:, 0]
    second = head["second"].astype(np.int64)
    valid = (length >= HEADER_SIZE) & (length <= data.shape[1])
    offset = np.full(len(length), HEADER_SIZE)
    size = length - HEADER_SIZE
    special = np.flatnonzero(head["first"] != _PLAIN)
    if len(special):
        _measure(data, length, special[valid[special]], offset, size)
        valid[special] &= head["first"][special] >> 6 == 2
        valid &= size >= 0
    return RtpColumns(
        valid=valid,
        payload_type=second & 0x7F,
        marker=second >= 0x80,
        sequence=head["sequence"].astype(np.int64),
        timestamp=head["timestamp"].astype(np.int64),
        ssrc=head["ssrc"].astype(np.int64),
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
    head = out[:, :HEADER_SIZE].view(_HEADER)[:, 0]
    head["first"] = _PLAIN
    head["second"] = payload_type | marker.astype(np.int64) << 7
    head["sequence"] = sequence
    head["timestamp"] = timestamp
    head["ssrc"] = ssrc


def _measure(data: NDArray[np.uint8], length: Ints, rows: Ints, offset: Ints, size: Ints) -> None:
    """Put the place and the length of the payload of packets that are not plain into `offset`
    and `size`."""
    first = data[rows, 0].astype(np.int64)
    offset[rows] += 4 * (first & _CSRC_COUNT)
    extended = rows[first & _EXTENSION != 0]
    offset[extended] += _extension_size(data, extended, offset[extended])
    end = length[rows]
    padded = np.flatnonzero(first & _PADDING)
    end[padded] -= _padding_size(data, rows[padded], end[padded])
    size[rows] = end - offset[rows]


def _extension_size(data: NDArray[np.uint8], rows: Ints, offset: Ints) -> Ints:
    """Octets of the extensions at `offset`. One that begins past its packet ends past it too."""
    at = np.minimum(offset + 2, data.shape[1] - 2)
    words: Ints = data[rows, at].astype(np.int64) << 8 | data[rows, at + 1]
    return 4 + 4 * words


def _padding_size(data: NDArray[np.uint8], rows: Ints, length: Ints) -> Ints:
    """Octets of padding, told by the last one; a count of 0 is broken and takes all away."""
    count = data[rows, length - 1].astype(np.int64)
    count[count == 0] = data.shape[1]
    return count
