"""When a scripted caller speaks: a pure state machine on media time.

The caller waits until the other side has finished, speaks its next line, and measures how long the
answer took: from the last packet of its own speech to the first packet of the other side's speech.
After the last answer it hangs up.
"""

from dataclasses import dataclass
from enum import Enum, auto

FRAME_S = 0.020
PATIENCE_S = 6.0  # without a word from the other side, the caller goes on
GAP_S = 1.0  # silence after which the other side has finished
ONSET_FRAMES = 3  # consecutive speech frames that make a beginning
LAST_PATIENCE_S = 12.0  # after its last line the caller waits longer before it hangs up


@dataclass(frozen=True, slots=True)
class SpeakLine:
    """Play line number `index` now."""

    index: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The other side began to answer line `index`, `latency_s` after our last packet of it."""

    index: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Everything is said."""


Action = SpeakLine | Answered | HangUp


class _State(Enum):
    LISTENING = auto()
    SPEAKING = auto()
    OVER = auto()


class CallerTurns:
    """Decides from what is heard when the next of `lines` lines is spoken."""

    def __init__(self, lines: int, now: float) -> None:
        self._lines = lines
        self._next = 0
        self._state = _State.LISTENING
        self._waiting_since = now
        self._last_speech: float | None = None
        self._onset: float | None = None
        self._run = 0
        self._spoken_at: float | None = None

    def line_played(self, at: float) -> None:
        """The last packet of the current line left at `at`."""
        self._state = _State.LISTENING
        self._spoken_at = at
        self._waiting_since = at
        self._last_speech = None
        self._run = 0

    def heard(self, at: float, speech: tuple[bool, ...]) -> list[Action]:
        """20 ms frames came at `at`; `speech` says which of them hold speech."""
        if self._state is not _State.LISTENING:
            return []
        actions: list[Action] = []
        for active in speech:
            actions.extend(self._answer_begins(at) if self._count(at, active) else [])
        if self._other_side_finished(at):
            actions.append(self._next_action())
        return actions

    def _count(self, at: float, active: bool) -> bool:
        """Follow the other side's speech; True when it has just begun."""
        if not active:
            self._run = 0
            return False
        self._run += 1
        if self._run == 1:
            self._onset = at
        if self._run < ONSET_FRAMES:
            return False
        began = self._last_speech is None
        self._last_speech = at
        return began

    def _answer_begins(self, at: float) -> list[Action]:
        if self._spoken_at is None:
            return []
        latency = (self._onset or at) - self._spoken_at
        self._spoken_at = None
        return [Answered(self._next - 1, latency)]

    def _other_side_finished(self, at: float) -> bool:
        if self._last_speech is not None:
            return at - self._last_speech >= GAP_S - FRAME_S / 2
        patience = LAST_PATIENCE_S if self._next == self._lines else PATIENCE_S
        return at - self._waiting_since >= patience - FRAME_S / 2

    def _next_action(self) -> Action:
        if self._next == self._lines:
            self._state = _State.OVER
            return HangUp()
        self._state = _State.SPEAKING
        self._next += 1
        return SpeakLine(self._next - 1)
