"""RTCP packets as values: SR, RR, SDES with CNAME, BYE, XR, and compounds (RFC 3550 §6)."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from . import RtpError, xr

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
EXTENDED_REPORT = 207

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_END, _CNAME = 0, 1


class ReportBlock(NamedTuple):
    """What a receiver saw of one source (RFC 3550 §6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Of the packets since the last report, in 1/256."""
    lost: int
    """Cumulative, −2**23 … 2**23 − 1: duplicates can make it negative."""
    highest_sequence: int
    """Extended highest sequence number."""
    jitter: int
    """Interarrival jitter, timestamp units."""
    last_sr: int = 0
    """Middle 32 bits of the NTP time of the last sender report; 0 if there was none."""
    delay_since_sr: int = 0
    """Since that report, in 1/65536 s."""


class SenderReport(NamedTuple):
    """What a sender did, and what it saw of others."""

    ssrc: int
    ntp: int
    """64-bit NTP time."""
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    """What a receiver that sends nothing saw."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceDescription(NamedTuple):
    """The canonical name of a source."""

    ssrc: int
    cname: str


class Goodbye(NamedTuple):
    """The sources that leave."""

    ssrcs: tuple[int, ...]


class ExtendedReport(NamedTuple):
    """How a receiver heard (RFC 3611); block types other than VoIP metrics are left out."""

    ssrc: int
    metrics: tuple[xr.VoipMetrics, ...] = ()


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | ExtendedReport


def ntp_time(epoch_s: float) -> int:
    """Epoch seconds as 64-bit NTP time, which begins anew in February 2036 (RFC 5905 §6)."""
    whole = int(epoch_s)
    seconds = (whole + _NTP_EPOCH) & 0xFFFF_FFFF
    return seconds << 32 | int((epoch_s - whole) * 2**32)


def round_trip_s(block: ReportBlock, arrival_ntp: int) -> float | None:
    """The round trip that a report block proves (RFC 3550 §6.4.1, A − LSR − DLSR), seconds."""
    if block.last_sr == 0:
        return None
    way = ((arrival_ntp >> 16) - block.last_sr - block.delay_since_sr) & 0xFFFF_FFFF
    return way / 65536 if way < 0x8000_0000 else None


def build(packets: Sequence[RtcpPacket]) -> bytes:
    """A compound packet."""
    return b"".join(_packet(packet) for packet in packets)


def parse(data: bytes) -> list[RtcpPacket]:
    """The known packets of a compound; unknown types are passed over. Raises RtpError."""
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(data):
        if len(data) - position < 4:
            raise RtpError(f"{len(data) - position} bytes left, an RTCP header has 4")
        first, kind, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2:
            raise RtpError(f"RTCP version {first >> 6}, expected 2 (RFC 3550 §6.4.1)")
        if end > len(data):
            raise RtpError(f"RTCP length {4 + 4 * words} exceeds the {len(data) - position} left")
        packet = _read(kind, first & 0x1F, data[position + 4 : end])
        if packet is not None:
            packets.append(packet)
        position = end
    return packets


def _packet(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            body = struct.pack(
                "!IQIII",
                packet.ssrc,
                packet.ntp,
                packet.timestamp,
                packet.packets & 0xFFFF_FFFF,
                packet.octets & 0xFFFF_FFFF,
            )
            body += b"".join(map(_block, packet.blocks))
            return _framed(SENDER_REPORT, len(packet.blocks), body)
        case ReceiverReport():
            body = struct.pack("!I", packet.ssrc) + b"".join(map(_block, packet.blocks))
            return _framed(RECEIVER_REPORT, len(packet.blocks), body)
        case SourceDescription():
            name = packet.cname.encode()[:255]
            chunk = struct.pack("!IBB", packet.ssrc, _CNAME, len(name)) + name
            return _framed(SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))
        case Goodbye():
            body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
            return _framed(GOODBYE, len(packet.ssrcs), body)
        case ExtendedReport():
            body = struct.pack("!I", packet.ssrc) + b"".join(map(bytes, packet.metrics))
            return _framed(EXTENDED_REPORT, 0, body)


def _framed(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _block(block: ReportBlock) -> bytes:
    lost = max(-(2**23), min(2**23 - 1, block.lost)) & 0xFF_FFFF
    return struct.pack(
        "!IIIIII",
        block.ssrc,
        (block.fraction_lost & 0xFF) << 24 | lost,
        block.highest_sequence & 0xFFFF_FFFF,
        block.jitter & 0xFFFF_FFFF,
        block.last_sr,
        block.delay_since_sr & 0xFFFF_FFFF,
    )


def _read(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    try:
        match kind:
            case 200:
                ssrc, ntp, timestamp, packets, octets = struct.unpack_from("!IQIII", body)
                blocks = _blocks(body, 24, count)
                return SenderReport(ssrc, ntp, timestamp, packets, octets, blocks)
            case 201:
                [ssrc] = struct.unpack_from("!I", body)
                return ReceiverReport(ssrc, _blocks(body, 4, count))
            case 202:
                return _description(body) if count else None
            case 203:
                return Goodbye(struct.unpack_from(f"!{count}I", body))
            case 207:
                [ssrc] = struct.unpack_from("!I", body)
                return ExtendedReport(ssrc, xr.metrics_of(body[4:]))
            case _:
                return None
    except struct.error:
        raise RtpError(f"RTCP packet of type {kind} with {len(body)} bytes is cut short") from None


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, lsr, dlsr = struct.unpack_from("!6I", body, at + 24 * index)
        lost = (loss & 0xFF_FFFF ^ 0x80_0000) - 0x80_0000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr))
    return tuple(blocks)


def _description(body: bytes) -> SourceDescription | None:
    """The CNAME of the first chunk, wherever it stands among the items (RFC 3550 §6.5)."""
    [ssrc] = struct.unpack_from("!I", body)
    at = 4
    while at < len(body) and body[at] != _END:
        item, size = struct.unpack_from("!BB", body, at)
        [text] = struct.unpack_from(f"!{size}s", body, at + 2)
        if item == _CNAME:
            return SourceDescription(ssrc, text.decode("utf-8", "replace"))
        at += 2 + size
    return None
