"""DTMF digits as RTP events (RFC 4733).

A digit is a run of packets with one timestamp. The last packets say "end" and come three times;
the marker bit, and any of the packets, may be missing. A run ends with its first end packet, with
the next event, or when nothing more of it came for `LOST_END_S`.
"""

import struct
from dataclasses import dataclass

from . import RtpError

DIGITS = "0123456789*#ABCD"
LOST_END_S = 0.2
CLOCK_RATE = 8_000

_FORMAT = struct.Struct("!BBH")


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
        self._duration = 0
        self._seen_at = 0.0

    def receive(self, payload: bytes, timestamp: int, now: float) -> list[FinishedDigit]:
        """Take one event packet. Raises RtpError."""
        event = TelephoneEvent.parse(payload)
        finished: list[FinishedDigit] = []
        if timestamp != self._timestamp:
            finished += self._finish()
            self._timestamp, self._told = timestamp, False
            self._event, self._duration = event.event, 0
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
        return [FinishedDigit(DIGITS[self._event], self._duration / CLOCK_RATE)]
