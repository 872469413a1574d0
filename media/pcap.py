"""Packet captures: classic pcap with Ethernet frames around what crossed the wire.

The addresses and times are the real ones; the Ethernet addresses and, for SIP over TCP, the segment
boundaries and sequence numbers are made, so that every tool can follow the stream. Only builds
bytes; writing them is somebody else's.
"""

import struct
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
from numpy.typing import NDArray

from ..base.errors import AywaError

Address = tuple[str, int]

FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
RECORD_HEADER_SIZE = 16
UDP4_OVERHEAD = RECORD_HEADER_SIZE + 14 + 20 + 8  # octets around an IPv4 payload

_MACS = bytes.fromhex("020000000002020000000001")
_UDP, _TCP = 17, 6
_HOPS = 64
_TCP_PAYLOAD = 1_400  # octets of a made segment
_TCP_DIRECTIONS = 64  # whose sequence numbers one conversation remembers
_MAX_UDP_PAYLOAD = 65_507  # octets, over IPv4; a little more would fit over IPv6


class PcapError(AywaError):
    """What is to be captured cannot have crossed a wire like that."""


def udp_record(at: float, source: Address, destination: Address, payload: bytes) -> bytes:
    """One UDP datagram, IPv4 or IPv6, at `at` epoch seconds. Raises PcapError."""
    if len(payload) > _MAX_UDP_PAYLOAD:
        raise PcapError(
            f"a UDP datagram of {len(payload)} bytes to {destination[0]}: "
            f"expected at most {_MAX_UDP_PAYLOAD}"
        )
    hosts = _hosts(source[0], destination[0])
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0)
    checksum = _transport_checksum(hosts, _UDP, header + payload)
    datagram = header[:6] + struct.pack("!H", checksum or 0xFFFF) + payload
    return _record(at, hosts, _UDP, datagram)


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
    """The TCP segments of a call, every direction with its own running sequence numbers."""

    def __init__(self) -> None:
        self._next: OrderedDict[tuple[Address, Address], int] = OrderedDict()

    def records(self, at: float, source: Address, destination: Address, payload: bytes) -> bytes:
        """Records of as many segments as the payload takes. Raises PcapError."""
        hosts = _hosts(source[0], destination[0])
        forth, back = (source, destination), (destination, source)
        sequence, acknowledged = self._next.pop(forth, 1), self._next.get(back, 1)
        ports = (source[1], destination[1])
        records = []
        for begin in range(0, len(payload), _TCP_PAYLOAD):
            piece = payload[begin : begin + _TCP_PAYLOAD]
            number = (sequence + begin) & 0xFFFF_FFFF
            fields = (*ports, number, acknowledged, 0x5018, 65_535, 0, 0)  # flags PSH, ACK
            header = struct.pack("!HHIIHHHH", *fields)
            checksum = _transport_checksum(hosts, _TCP, header + piece)
            segment = header[:16] + struct.pack("!H", checksum) + header[18:] + piece
            records.append(_record(at, hosts, _TCP, segment))
        self._next[forth] = (sequence + len(payload)) & 0xFFFF_FFFF
        if len(self._next) > _TCP_DIRECTIONS:
            self._next.popitem(last=False)
        return b"".join(records)


def _record(at: float, hosts: tuple[bytes, bytes], protocol: int, body: bytes) -> bytes:
    microseconds = round(at * 1e6)
    packet = _MACS + _ip_packet(hosts, protocol, body)
    stamp = (microseconds // 1_000_000, microseconds % 1_000_000, len(packet), len(packet))
    return struct.pack("<IIII", *stamp) + packet


def _ip_packet(hosts: tuple[bytes, bytes], protocol: int, body: bytes) -> bytes:
    """The packet after its EtherType."""
    if len(hosts[0]) == 4:
        fields = (0x45, 0, 20 + len(body), 0, 0x4000, _HOPS, protocol)
        header = struct.pack("!BBHHHBBH4s4s", *fields, 0, *hosts)
        header = header[:10] + struct.pack("!H", _checksum([header])) + header[12:]
        return b"\x08\x00" + header + body
    header = struct.pack("!IHBB", 0x6000_0000, len(body), protocol, _HOPS)
    return b"\x86\xdd" + header + hosts[0] + hosts[1] + body


def _hosts(source: str, destination: str) -> tuple[bytes, bytes]:
    """Both addresses, packed, of one family: an IPv4 one beside an IPv6 one is mapped into it."""
    here, there = _address(source), _address(destination)
    if isinstance(here, IPv4Address) != isinstance(there, IPv4Address):
        here, there = _mapped(here), _mapped(there)
    return here.packed, there.packed


@lru_cache(maxsize=1024)
def _address(host: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        raise PcapError(f"the host {host!r} to be captured is not an IP address") from None
    return getattr(address, "ipv4_mapped", None) or address


def _mapped(address: IPv4Address | IPv6Address) -> IPv6Address:
    """RFC 4291 §2.5.5.2."""
    if isinstance(address, IPv6Address):
        return address
    return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _transport_checksum(hosts: tuple[bytes, bytes], protocol: int, body: bytes) -> int:
    return _checksum([*hosts, struct.pack("!II", len(body), protocol), body])


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
