"""Pressing keys: the DTMF digits that a stream sends, as RTP events (RFC 4733) or as tones.

While a digit and the pause after it are sent the stream's own audio waits, so that nothing of it is
lost and no sound runs beside a tone. A digit is one value per 20 ms. Few streams press keys in a
tick, so it works row by row; the column tells which.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..codecs.pcm import Pcm
from ..codecs.tones import dtmf
from .plane import SendDigits
from .rtp.telephone_event import DIGITS, TelephoneEvent, encode_event
from .streams import Columns, column

FRAME = 160
MAX_WAITING = 64
"""Digits that may wait in one stream; what is more is dropped, and missing in DigitsSent."""
MIN_MS, MAX_MS = 40, 8_000
"""Bounds of a tone and of a gap; shorter ones are heard by nobody (ITU-T Q.24)."""


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """What a stream sends in one tick of a digit: an event, or else sound."""

    event: TelephoneEvent | None
    pcm: Pcm
    first: bool
    """The digit begins."""
    sounds: bool = False
    """`pcm` is not silence."""


@dataclass(slots=True)
class _Pressing:
    """One command under way."""

    left: deque[str]
    tone_s: float
    gap_s: float
    in_band: bool
    sent: list[str] = field(default_factory=list)


class Keys(Columns):
    """The digits of each row that have not left."""

    busy: NDArray[np.bool_] = column(np.bool_)

    def __init__(self) -> None:
        super().__init__()
        self._queues: dict[int, deque[_Pressing]] = {}
        self._frames: dict[int, deque[KeyFrame]] = {}

    def reset(self, row: int) -> None:
        super().reset(row)
        self._queues.pop(row, None)
        self._frames.pop(row, None)

    @property
    def pressing(self) -> bool:
        """Whether any row has digits to send."""
        return bool(self._queues)

    def press(self, row: int, command: SendDigits) -> bool:
        """Let the digits follow those that wait; what is no digit is left out. False if none is."""
        queue = self._queues.get(row, deque())
        room = MAX_WAITING - sum(len(one.left) for one in queue)
        digits = [digit for digit in command.digits.upper() if digit in DIGITS][:room]
        if digits:
            tone_s, gap_s = _seconds(command.tone_ms), _seconds(command.gap_ms)
            queue.append(_Pressing(deque(digits), tone_s, gap_s, command.in_band))
            self._queues[row] = queue
            self.busy[row] = True
        return bool(digits)

    def frame(self, row: int, *, events: bool) -> tuple[KeyFrame, str | None]:
        """What the busy row sends in this tick, and the digits of a command that ends with it.

        `events` says whether the peer takes RTP events; if not, the digit is put into the audio.
        """
        queue = self._queues[row]
        pressing = queue[0]
        frames = self._frames.setdefault(row, deque())
        if not frames:
            digit = pressing.left.popleft()
            pressing.sent.append(digit)
            as_event = events and not pressing.in_band
            frames += (_events if as_event else _tones)(digit, pressing.tone_s, pressing.gap_s)
        frame = frames.popleft()
        if frames or pressing.left:
            return frame, None
        queue.popleft()
        if not queue:
            del self._queues[row]
            self.busy[row] = False
        return frame, "".join(pressing.sent)


def _events(digit: str, tone_s: float, gap_s: float) -> list[KeyFrame]:
    """The event's packets, then silence until the gap is over; two repeated ends are in the gap."""
    quiet = np.zeros(FRAME, np.int16)
    events = encode_event(digit, tone_s)
    frames = [KeyFrame(event, quiet, first=not at) for at, event in enumerate(events)]
    rest = _ticks(tone_s + gap_s) - len(frames)
    return frames + [KeyFrame(None, quiet, first=False)] * rest


def _tones(digit: str, tone_s: float, gap_s: float) -> list[KeyFrame]:
    sound = np.zeros(FRAME * _ticks(tone_s + gap_s), np.int16)
    pressed = dtmf(digit, tone_s)
    sound[: len(pressed)] = pressed
    pieces = sound.reshape(-1, FRAME)
    return [
        KeyFrame(None, piece, first=not at, sounds=bool(piece.any()))
        for at, piece in enumerate(pieces)
    ]


def _ticks(seconds: float) -> int:
    return -(-round(seconds * 8_000) // FRAME)


def _seconds(milliseconds: int) -> float:
    return min(max(milliseconds, MIN_MS), MAX_MS) / 1000
