"""One RTP packet as a value (RFC 3550 §5.1): for diagnosis, simulated peers and tests.

The media path reads its packets in batches, see `columns`; both judge a packet alike.
"""

import struct
from dataclasses import dataclass
from typing import Self

from . import RtpError

_FIXED = struct.Struct("!BBHII")
_PADDING, _EXTENSION, _CSRC_COUNT = 0x20, 0x10, 0x0F


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """The one extension that a header may have (RFC 3550 §5.3.1)."""

    profile: int
    """What the profile says of `data`, 16 bits: 0xBEDE for one-octet elements (RFC 8285)."""
    data: bytes
    """A whole number of 32-bit words."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A packet whose header was read. `bytes(packet)` is what goes over the wire."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: HeaderExtension | None = None
    padding: int = 0
    """Octets after the payload, the count at their end included; 0 to 255."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a datagram. Raises RtpError."""
        if len(data) < _FIXED.size:
            raise RtpError(f"RTP packet of {len(data)} bytes is shorter than its 12-byte header")
        first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
        if first >> 6 != 2:
            raise RtpError(f"RTP version {first >> 6}, expected 2 (RFC 3550 §5.1)")
        begin = _FIXED.size + 4 * (first & _CSRC_COUNT)
        extension = _extension(data, begin) if first & _EXTENSION else None
        csrcs_end, begin = begin, begin + (4 + len(extension.data) if extension else 0)
        padding = data[-1] if first & _PADDING else 0
        if begin + padding > len(data):
            raise RtpError(
                f"RTP packet of {len(data)} bytes: its header takes {begin}, its padding {padding}"
            )
        if first & _PADDING and padding == 0:
            raise RtpError("RTP padding of 0 bytes, expected at least 1 (RFC 3550 §5.1)")
        return cls(
            payload_type=second & 0x7F,
            sequence=sequence,
            timestamp=timestamp,
            ssrc=ssrc,
            payload=data[begin : len(data) - padding],
            marker=second >= 0x80,
            csrcs=tuple(csrc for (csrc,) in struct.iter_unpack("!I", data[12:csrcs_end])),
            extension=extension,
            padding=padding,
        )

    def __bytes__(self) -> bytes:
        flags = (_PADDING if self.padding else 0) | (_EXTENSION if self.extension else 0)
        header = _FIXED.pack(
            0x80 | flags | len(self.csrcs),
            self.marker << 7 | self.payload_type,
            self.sequence,
            self.timestamp,
            self.ssrc,
        )
        header += struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)
        if self.extension:
            words = len(self.extension.data) // 4
            header += struct.pack("!HH", self.extension.profile, words) + self.extension.data
        tail = bytes(self.padding - 1) + bytes([self.padding]) if self.padding else b""
        return header + self.payload + tail


def _extension(data: bytes, begin: int) -> HeaderExtension:
    if begin + 4 > len(data):
        raise RtpError(f"RTP packet of {len(data)} bytes ends before its extension at {begin}")
    profile, words = struct.unpack_from("!HH", data, begin)
    body = data[begin + 4 : begin + 4 + 4 * words]
    if len(body) < 4 * words:
        raise RtpError(f"RTP extension of {4 * words} bytes, but {len(body)} are left")
    return HeaderExtension(profile, body)
