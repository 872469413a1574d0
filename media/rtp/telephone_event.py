"""DTMF digits as RTP events (RFC 4733).

A digit is a run of packets with one timestamp. The last packets say "end" and come three times;
the marker bit, and any of the packets, may be missing. A run ends with its first end packet, with
the next event, or when nothing more of it came for `LOST_END_S`. A digit of more than eight seconds
comes as several runs without an end between them (§2.5.1.3): it is one digit all the same.
"""

import struct
from dataclasses import dataclass

from . import RtpError
from .sequence import timestamp_distance

DIGITS = "0123456789*#ABCD"
LOST_END_S = 0.2
MAX_DURATION = 0xFFFF
"""Ticks that one run can tell."""
CLOCK_RATE = 8_000

_FORMAT = struct.Struct("!BBH")
_PACKET_TICKS = 160  # 20 ms
_NEXT_SEGMENT = range(0xF000, MAX_DURATION + 1)
"""Ticks from one run of a long digit to the next: the largest duration, or a bit before it."""
_LATE_TICKS, _LATE_S = 5 * CLOCK_RATE, 1.0
"""A packet that is this little older than the latest one is of a digit before; told already."""


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """One event payload. `duration` is in timestamp units since the event began."""

    event: int
    end: bool
    volume: int
    """Power below 0 dBm0, 0 to 63."""
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> "TelephoneEvent":
        """Read a payload. Raises RtpError."""
        if len(payload) < _FORMAT.size:
            raise RtpError(f"telephone-event payload of {len(payload)} bytes, expected 4")
        event, flags, duration = _FORMAT.unpack_from(payload)
        return cls(event, bool(flags & 0x80), flags & 0x3F, duration)

    def __bytes__(self) -> bytes:
        return _FORMAT.pack(self.event, self.end << 7 | self.volume & 0x3F, self.duration)


def encode_event(
    digit: str, duration_s: float = 0.1, *, volume: int = 10
) -> tuple[TelephoneEvent, ...]:
    """The payloads that send a digit, one for each 20 ms packet.

    All go with the timestamp of the first, which has the marker bit; each with the next sequence
    number. The last three say "end" (RFC 4733 §2.5.1.4). Raises ValueError for what is no digit, or
    one of less than 20 ms or more than 8 s.
    """
    event = DIGITS.find(digit) if len(digit) == 1 else -1
    steps = round(duration_s * CLOCK_RATE / _PACKET_TICKS)
    if event < 0 or not 1 <= steps <= MAX_DURATION // _PACKET_TICKS:
        raise ValueError(f"{digit!r} for {duration_s} s: expected one of {DIGITS}, 0.02 to 8 s")
    updates = [
        TelephoneEvent(event, False, volume, _PACKET_TICKS * step) for step in range(1, steps)
    ]
    end = TelephoneEvent(event, True, volume, _PACKET_TICKS * steps)
    return (*updates, end, end, end)


@dataclass(frozen=True, slots=True)
class FinishedDigit:
    """A digit that is complete."""

    digit: str
    duration_s: float


class EventAssembler:
    """Makes digits of one stream's event packets; each digit is told once."""

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._told = True
        self._event = 0
        self._earlier = 0  # ticks in earlier runs of the same digit
        self._duration = 0  # ticks in this run
        self._seen_at = 0.0

    def receive(self, payload: bytes, timestamp: int, now: float) -> list[FinishedDigit]:
        """Take one event packet, in any order. Raises RtpError."""
        event = TelephoneEvent.parse(payload)
        finished: list[FinishedDigit] = []
        if timestamp != self._timestamp:
            ahead = (
                None if self._timestamp is None else timestamp_distance(timestamp, self._timestamp)
            )
            if ahead is not None and -_LATE_TICKS <= ahead < 0 and now - self._seen_at < _LATE_S:
                return []
            if self.pending and event.event == self._event and ahead in _NEXT_SEGMENT:
                self._earlier += ahead or 0
            else:
                finished += self._finish()
                self._told, self._event, self._earlier = False, event.event, 0
            self._timestamp, self._duration = timestamp, 0
        self._duration = max(self._duration, event.duration)
        self._seen_at = now
        if event.end:
            finished += self._finish()
        return finished

    def expire(self, now: float) -> list[FinishedDigit]:
        """Finish a digit whose end was lost."""
        return self._finish() if now - self._seen_at >= LOST_END_S else []

    @property
    def pending(self) -> bool:
        """Whether a digit is under way."""
        return not self._told

    def _finish(self) -> list[FinishedDigit]:
        if self._told:
            return []
        self._told = True
        if self._event >= len(DIGITS):
            return []  # flash-hook, tones and so on are no digits
        return [FinishedDigit(DIGITS[self._event], (self._earlier + self._duration) / CLOCK_RATE)]
