"""Has the caller finished? Speech and words together decide; neither alone may.

A turn opens with the first speech (or, where the speech detector missed it, the first words). When
the caller falls silent the transcriber is asked to finalize, and the turn is over once

- the silence is as long as the text asks for (a full stop needs less than a loose end), and
- the text is settled: the transcriber answered, or its final covers the last speech, or it had
  `settle_s` to do so (an answer may be empty, and may never come).

At every moment the endpointer has an *outlook*: what will happen and when, if nothing else comes.
After a turn was taken its words may still change or grow (`hear` says so); `merge` reopens it.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from ..providers.protocols import Transcript
from .conversation_events import AnomalyKind
from .latency import TurnEnd
from .phrases import spoken_until_s, words_of
from .settings import StartSpeakingPlan
from .speech import SpeechStarted, SpeechStopped
from .timing import NEVER, reached

COVER_S = 0.1  # a final that ends this close to the last speech covers it
NOISE_S = 0.5  # shorter speech without words is dropped in silence

_NUMBER_WORDS = frozenset(
    {
        "zero",
        "oh",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "million",
        "double",
        "triple",
        "dot",
        "at",
        "dash",
    }
)
_SPELLED = re.compile(r"(?:\b\w\b[\s.\-]+){2,}\w$")
_E_MAIL = re.compile(r"\S+@\S*$")


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """A turn that was taken."""

    text: str
    started_at: float
    ended_at: float
    end: TurnEnd


@dataclass(frozen=True, slots=True)
class Outlook:
    """What will happen at `at` (monotonic) if nothing else comes."""

    at: float
    verdict: Literal["commit", "drop"]
    anomaly: AnomalyKind | None = None


@dataclass(slots=True)
class _Turn:
    started_at: float
    capped_from: float
    speaking: bool
    last_speech_at: float
    last_speech_s: float
    voiced_s: float = 0.0
    finals: list[str] = field(default_factory=list)
    interim: str = ""
    words_from_s: float = NEVER
    unanswered: int = 0
    finalize_at: float = 0.0
    settled_at: float | None = None

    @property
    def text(self) -> str:
        return " ".join(part for part in (*self.finals, self.interim) if part)


class Endpointer:
    """The caller's turn in the making, and the last one that was taken."""

    def __init__(self, plan: StartSpeakingPlan, settle_s: float) -> None:
        self._plan = plan
        self._settle_s = settle_s
        self._turn: _Turn | None = None
        self._taken: _Turn | None = None

    @property
    def open(self) -> bool:
        """Whether a turn is in the making."""
        return self._turn is not None

    @property
    def text(self) -> str:
        """The words of the turn in the making."""
        return self._turn.text if self._turn else ""

    @property
    def taken_text(self) -> str:
        """The words of the last turn taken, as far as they are known now."""
        return self._taken.text if self._taken else ""

    def speech_started(self, started: SpeechStarted) -> None:
        """The caller began, or went on, to speak."""
        if self._turn is None:
            self._turn = _Turn(started.at, started.at, True, started.at, started.heard_s)
        self._turn.speaking = True
        self._turn.settled_at = None

    def speech_stopped(self, stopped: SpeechStopped, now: float) -> None:
        """The caller fell silent; the transcriber is being asked to finalize."""
        if self._turn is None:
            return
        turn = self._turn
        turn.speaking = False
        turn.last_speech_at = max(turn.last_speech_at, stopped.at)
        turn.last_speech_s = max(turn.last_speech_s, stopped.heard_s)
        turn.voiced_s += stopped.voiced_s
        turn.unanswered += 1
        turn.finalize_at = now

    def hear(self, transcript: Transcript, at: float, spoken_at: float) -> bool:
        """Take a transcript that came `at`, its last word spoken at `spoken_at` (monotonic).

        True if it changed the words of the last turn taken.
        """
        if self._is_late(transcript):
            return self._hear_late(transcript)
        if self._turn is None and transcript.text.strip():
            end_s = spoken_until_s(transcript)
            begin = min(at, spoken_at)
            self._turn = _Turn(begin, begin, False, begin, end_s, finalize_at=begin)
        turn = self._turn
        if turn is None:
            return False
        if transcript.text.strip():
            turn.words_from_s = min(turn.words_from_s, transcript.start_s)
        if transcript.final:
            turn.finals += [transcript.text.strip()] if transcript.text.strip() else []
            turn.interim = ""
        else:
            turn.interim = transcript.text.strip()
        self._settle(turn, transcript, at)
        return False

    def outlook(self) -> Outlook | None:
        """What comes next, or None without a turn."""
        turn = self._turn
        if turn is None:
            return None
        cap = Outlook(
            turn.capped_from + self._plan.turn_cap_s,
            "commit" if turn.text else "drop",
            "turn_cap",
        )
        if turn.speaking:
            return cap
        settled = turn.settled_at
        if settled is None:
            settled = turn.last_speech_at + self._settle_s
        if turn.text:
            ready = Outlook(max(self._policy_until(turn), settled), "commit")
        elif turn.voiced_s < NOISE_S:
            ready = Outlook(settled, "drop")
        else:
            stuck = turn.last_speech_at + self._plan.turn_stuck_s
            ready = Outlook(stuck, "drop", "turn_stuck")
        return ready if ready.at <= cap.at else cap

    def settled_at(self) -> float | None:
        """When the text of the turn was settled; None while the transcriber owes an answer."""
        return self._turn.settled_at if self._turn and not self._turn.speaking else None

    def last_speech_at(self) -> float | None:
        """When the caller fell silent, None while speaking or without a turn."""
        turn = self._turn
        return turn.last_speech_at if turn and not turn.speaking else None

    def commit(self, now: float) -> CallerTurn:
        """Take the turn. Call it only with a turn open."""
        turn = self._turn
        if turn is None:
            raise LookupError("no caller turn is open")
        self._taken, self._turn = turn, None
        end = TurnEnd(
            last_speech_at=turn.last_speech_at,
            policy_until=min(now, self._policy_until(turn)),
            finalize_at=turn.finalize_at,
            settled_at=now if turn.settled_at is None else turn.settled_at,
        )
        turn.unanswered = 0
        return CallerTurn(turn.text, turn.started_at, turn.last_speech_at, end)

    def drop(self) -> None:
        """Forget the turn in the making."""
        self._turn = None

    def merge(self) -> None:
        """Take back the last turn taken, and go on with it."""
        taken, self._taken = self._taken, None
        if taken is None:
            return
        if self._turn is None:
            self._turn = taken
            return
        if self._turn.words_from_s < taken.last_speech_s:
            taken.interim = ""  # the transcriber has gone on with those words in the new turn
        self._turn.finals[:0] = [taken.text] if taken.text else []
        self._turn.started_at = taken.started_at

    def extend_taken(self) -> bool:
        """Give the words of the turn in the making to the last turn taken. True if it could."""
        if self._taken is None or self._turn is None:
            return False
        self._taken.finals.append(self._turn.text)
        self._turn = None
        return True

    def _is_late(self, transcript: Transcript) -> bool:
        """Whether a transcript tells of the last turn taken and not of new speech."""
        taken = self._taken
        if taken is None or not transcript.text.strip():
            return False
        if spoken_until_s(transcript) <= taken.last_speech_s + COVER_S:
            return True
        same = words_of(transcript.text) == words_of(taken.interim)
        return same and transcript.start_s < taken.last_speech_s

    def _hear_late(self, transcript: Transcript) -> bool:
        taken = self._taken
        if taken is None or not transcript.final:
            return False
        before = words_of(taken.text)
        taken.finals.append(transcript.text.strip())
        taken.interim = ""
        return words_of(taken.text) != before

    def _settle(self, turn: _Turn, transcript: Transcript, at: float) -> None:
        if transcript.from_finalize:
            turn.unanswered = max(0, turn.unanswered - 1)
        if turn.speaking or not transcript.final:
            return
        answered = transcript.from_finalize and turn.unanswered == 0
        if answered or transcript.end_s >= turn.last_speech_s - COVER_S:
            turn.settled_at = at if turn.settled_at is None else turn.settled_at

    def _policy_until(self, turn: _Turn) -> float:
        wait_s = max(required_wait_s(turn.text, self._plan), self._plan.stop_s)
        return turn.last_speech_at + wait_s


def required_wait_s(text: str, plan: StartSpeakingPlan) -> float:
    """The silence after which a turn that reads like `text` is over."""
    words = words_of(text)
    bare = text.rstrip(" .,!?")
    if not words:
        return plan.on_no_punctuation_s
    if words[-1] in _NUMBER_WORDS or bare[-1:].isdigit():
        return plan.on_number_s
    if _SPELLED.search(bare) or _E_MAIL.search(bare):
        return plan.on_number_s
    if text.rstrip().endswith((".", "?", "!", "。", "？", "！")):
        return plan.on_punctuation_s
    return plan.on_no_punctuation_s


def is_due(outlook: Outlook | None, now: float) -> bool:
    """Whether the outlook has come true."""
    return outlook is not None and reached(outlook.at, now)
