"""Packet captures: classic pcap with Ethernet frames around what crossed the wire.

The addresses and times are the real ones; the Ethernet addresses and, for SIP over TCP, the segment
boundaries and sequence numbers are made, so that every tool can follow the stream. Only builds
bytes; writing them is somebody else's.
"""

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address

import numpy as np
from numpy.typing import NDArray

Address = tuple[str, int]

FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
RECORD_HEADER_SIZE = 16
UDP4_OVERHEAD = RECORD_HEADER_SIZE + 14 + 20 + 8  # octets around an IPv4 payload

_MACS = bytes.fromhex("020000000002020000000001")
_UDP, _TCP = 17, 6
_HOPS = 64
_TCP_PAYLOAD = 1_400  # octets of a made segment


def udp_record(at: float, source: Address, destination: Address, payload: bytes) -> bytes:
    """One UDP datagram, IPv4 or IPv6, at `at` epoch seconds."""
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    checksum = _transport_checksum(source[0], destination[0], _UDP, header + payload)
    datagram = header[:6] + struct.pack("!H", checksum or 0xFFFF) + payload
    return _record(at, source[0], destination[0], _UDP, datagram)


def udp4_records(
    at: NDArray[np.float64],
    source: NDArray[np.int64],
    destination: NDArray[np.int64],
    payload: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Many IPv4 datagrams of one size: a record a row, shape (n, UDP4_OVERHEAD + size).

    Addresses are `host << 16 | port`. The UDP checksum is left out, as IPv4 allows (RFC 768).
    """
    count, size = payload.shape
    out = np.zeros((count, UDP4_OVERHEAD + size), np.uint8)
    microseconds = np.rint(at * 1e6).astype(np.int64)
    captured = np.full(count, UDP4_OVERHEAD - RECORD_HEADER_SIZE + size)
    stamps = (microseconds // 1_000_000, microseconds % 1_000_000, captured, captured)
    out[:, :16] = np.stack(stamps, 1).astype("<u4").view(np.uint8)
    out[:, 16:28] = np.frombuffer(_MACS, np.uint8)
    words = np.zeros((count, 15), np.int64)  # EtherType, IPv4 header, UDP header
    words[:, 0] = 0x0800
    words[:, 1], words[:, 2], words[:, 4] = 0x4500, 28 + size, 0x4000
    words[:, 5] = _HOPS << 8 | _UDP
    words[:, 7], words[:, 8] = source >> 32 & 0xFFFF, source >> 16 & 0xFFFF
    words[:, 9], words[:, 10] = destination >> 32 & 0xFFFF, destination >> 16 & 0xFFFF
    words[:, 6] = _complement(words[:, 1:11].sum(axis=1))
    words[:, 11], words[:, 12], words[:, 13] = source & 0xFFFF, destination & 0xFFFF, 8 + size
    out[:, 28:58] = words.astype(">u2").view(np.uint8)
    out[:, UDP4_OVERHEAD:] = payload
    return out


class TcpConversation:
    """The segments of one TCP connection, both ways, with running sequence numbers."""

    def __init__(self) -> None:
        self._next: dict[Address, int] = {}

    def records(self, at: float, source: Address, destination: Address, payload: bytes) -> bytes:
        """Records of as many segments as the payload takes."""
        pieces = [payload[i : i + _TCP_PAYLOAD] for i in range(0, len(payload), _TCP_PAYLOAD)]
        return b"".join(self._segment(at, source, destination, piece) for piece in pieces)

    def _segment(self, at: float, source: Address, destination: Address, payload: bytes) -> bytes:
        sequence = self._next.setdefault(source, 1)
        acknowledged = self._next.setdefault(destination, 1)
        self._next[source] = (sequence + len(payload)) & 0xFFFF_FFFF
        ports = (source[1], destination[1])
        header = struct.pack("!HHIIHHHH", *ports, sequence, acknowledged, 0x5018, 65_535, 0, 0)
        checksum = _transport_checksum(source[0], destination[0], _TCP, header + payload)
        segment = header[:16] + struct.pack("!H", checksum) + header[18:] + payload
        return _record(at, source[0], destination[0], _TCP, segment)


def _record(at: float, source: str, destination: str, protocol: int, body: bytes) -> bytes:
    microseconds = round(at * 1e6)
    packet = _ip_packet(source, destination, protocol, body)
    stamp = (microseconds // 1_000_000, microseconds % 1_000_000, len(packet), len(packet))
    return struct.pack("<IIII", *stamp) + packet


def _ip_packet(source: str, destination: str, protocol: int, body: bytes) -> bytes:
    here, there = ip_address(source), ip_address(destination)
    if isinstance(here, IPv4Address):
        fields = (0x45, 0, 20 + len(body), 0, 0x4000, _HOPS, protocol)
        header = struct.pack("!BBHHHBBH4s4s", *fields, 0, here.packed, there.packed)
        header = header[:10] + struct.pack("!H", _checksum([header])) + header[12:]
        return _MACS + b"\x08\x00" + header + body
    header = struct.pack("!IHBB", 0x6000_0000, len(body), protocol, _HOPS)
    return _MACS + b"\x86\xdd" + header + here.packed + there.packed + body


def _transport_checksum(source: str, destination: str, protocol: int, body: bytes) -> int:
    addresses = ip_address(source).packed + ip_address(destination).packed
    return _checksum([addresses, struct.pack("!II", len(body), protocol), body])


def _checksum(parts: Sequence[bytes]) -> int:
    total = 0
    for part in parts:
        padded = part + b"\0" if len(part) % 2 else part
        total += int(np.frombuffer(padded, ">u2").sum(dtype=np.int64))
    return int(_complement(np.array([total]))[0])


def _complement(total: NDArray[np.int64]) -> NDArray[np.int64]:
    """The Internet checksum (RFC 1071) of sums of 16-bit words."""
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
