"""Digits that peers send as telephone events (RFC 4733). They are few: packet by packet."""

from .formats import Formats
from .plane import Digit
from .rtp.telephone_event import CLOCK_RATE, EventAssembler, FinishedDigit
from .streams import StreamTable


class EventDigits:
    """The events of each stream that may still go on."""

    def __init__(self, table: StreamTable, formats: Formats) -> None:
        self._table = table
        self._formats = formats
        self._assemblers: dict[int, EventAssembler] = {}
        self._pending: set[int] = set()

    def close(self, row: int) -> None:
        """The stream is gone."""
        self._assemblers.pop(row, None)
        self._pending.discard(row)

    def receive(self, row: int, payload: bytes, timestamp: int, now: float) -> list[Digit]:
        """Take one event packet; gives the digits that it ends. Raises RtpError."""
        assembler = self._assemblers.setdefault(row, EventAssembler())
        digits = assembler.receive(payload, timestamp, now)
        (self._pending.add if assembler.pending else self._pending.discard)(row)
        return self._told(row, digits, now)

    def expire(self, now: float) -> list[Digit]:
        """The digits whose end never came, once they are over."""
        told: list[Digit] = []
        for row in sorted(self._pending):
            told += self._told(row, self._assemblers[row].expire(now), now)
            if not self._assemblers[row].pending:
                self._pending.discard(row)
        return told

    def _told(self, row: int, digits: list[FinishedDigit], now: float) -> list[Digit]:
        name = self._table.names[row]
        scale = self._formats.event_clock[row] / CLOCK_RATE
        return [Digit(name, now, one.digit, float(one.duration_s / scale)) for one in digits]
