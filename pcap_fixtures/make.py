"""Make the captures of this folder: `.venv/bin/python pcap_fixtures/make.py`.

They are written by dpkt, which shares no code with the product. The bytes are the same every time
(tests/test_pcap_fixtures.py compares them).
"""

import io
import struct
from pathlib import Path

import dpkt

CALLER = bytes([192, 0, 2, 1])
CALLED = bytes([192, 0, 2, 2])
START = 1_700_000_000.0
"""Epoch seconds of the first packet."""

PTIME_S = 0.020
SSRC = 0x41595741
SPEECH, EVENT = 0, 101
"""Payload types: PCMU and telephone-event."""


def rtp(sequence: int, timestamp: int, payload_type: int, payload: bytes, marker: bool) -> bytes:
    second = payload_type | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, second, sequence, timestamp, SSRC) + payload


def event(digit: int, duration: int, end: bool) -> bytes:
    """The RFC 4733 payload; `duration` in timestamp units since the digit began."""
    return struct.pack("!BBH", digit, 10 | (0x80 if end else 0), duration)


def digits(*, keep_ends: tuple[bool, bool]) -> list[tuple[float, bytes]]:
    """Silence, 5, silence, 9, silence. A digit lasts 100 ms and its end is sent three times.

    Where `keep_ends` is false, the three end packets of that digit are lost on the way.
    """
    packets = []
    sequence, timestamp, at = 1000, 8000, START
    silence = b"\xff" * 160
    for number, digit in enumerate((None, 5, None, 9, None)):
        if digit is None:
            for frame in range(10):
                packets.append((at, rtp(sequence, timestamp, SPEECH, silence, frame == 0)))
                sequence, timestamp, at = sequence + 1, timestamp + 160, at + PTIME_S
            continue
        for step in range(1, 8):
            end = step >= 5
            payload = event(digit, 160 * min(step, 5), end)
            if not end or keep_ends[number // 2]:
                packets.append((at, rtp(sequence, timestamp, EVENT, payload, step == 1)))
            sequence, at = sequence + 1, at + PTIME_S
        timestamp += 160 * 7
    return packets


def capture(packets: list[tuple[float, bytes]]) -> bytes:
    """A pcap file of Ethernet, IPv4 and UDP around the packets."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=dpkt.pcap.DLT_EN10MB)
    for number, (at, payload) in enumerate(packets):
        udp = dpkt.udp.UDP(sport=20000, dport=30000, data=payload)
        udp.ulen = len(udp)
        ip = dpkt.ip.IP(src=CALLER, dst=CALLED, p=dpkt.ip.IP_PROTO_UDP, id=number, data=udp)
        ip.len = len(ip)
        frame = dpkt.ethernet.Ethernet(src=b"\x02" * 6, dst=b"\x04" * 6, data=ip)
        writer.writepkt(bytes(frame), at)
    return file.getvalue()


CAPTURES = {
    "dtmf_two_digits.pcap": lambda: capture(digits(keep_ends=(True, True))),
    "dtmf_lost_end.pcap": lambda: capture(digits(keep_ends=(False, True))),
}

if __name__ == "__main__":
    for name, make in CAPTURES.items():
        Path(__file__).with_name(name).write_bytes(make())
        print(name)
