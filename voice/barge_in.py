"""Pause, decide, then stop or resume: the caller's voice against the assistant's.

Evidence of one overlap: frames of speech since the assistant became audible, and words that began
since then. Voice alone only *pauses* (nothing is lost by that); words stop. A cough or a "mhm" ends
in a resume. Knows nothing of audio or of turns.
"""

from enum import Enum, auto

from ..providers.protocols import Transcript
from .phrases import composed_of, contains, drawn_in, words_of, words_since
from .settings import StopSpeakingPlan
from .timing import FRAME_S


class Phrase(Enum):
    """What the caller's words mean for the assistant's right to go on."""

    NONE = auto()
    ACKNOWLEDGEMENT = auto()
    INTERRUPTION = auto()
    OTHER = auto()


class Verdict(Enum):
    """What to do with the assistant's voice."""

    GO_ON = auto()
    PAUSE = auto()
    STOP = auto()


class BargeIn:
    """The evidence of the present overlap, and the judgement of it."""

    def __init__(self, plan: StopSpeakingPlan, settle_s: float) -> None:
        self._plan = plan
        self._settle_s = settle_s
        self._acknowledgements = [
            tuple(drawn_in(word) for word in words_of(phrase))
            for phrase in plan.acknowledgement_phrases
        ]
        self._interruptions = [words_of(phrase) for phrase in plan.interruption_phrases]
        # At least one frame, and as many as make up voice_s.
        self._frames_needed = max(1, round(plan.voice_s / FRAME_S + 0.49))
        self._since_s = 0.0
        self._ignored_frames = 0
        self._finals: tuple[str, ...] = ()
        self._interim: tuple[str, ...] = ()
        self.deaf = False
        """The line makes "speech" without words: its voice is no evidence until it is quiet."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of this overlap."""
        return self._finals + self._interim

    def begin(self, heard_s: float, voiced_frames: int) -> None:
        """The assistant is audible from media time `heard_s` on; earlier evidence is void."""
        self._since_s = heard_s
        self._ignored_frames = voiced_frames
        self._finals = self._interim = ()

    def quiet(self) -> None:
        """The caller fell silent."""
        self._ignored_frames = 0
        self.deaf = False

    def ignore_voice(self) -> None:
        """Take no voice as evidence until the caller was quiet once."""
        self.deaf = True

    def hear(self, transcript: Transcript) -> None:
        """Take the words of a transcript that are new in this overlap."""
        words = words_since(transcript, self._since_s)
        if transcript.final:
            self._finals, self._interim = self._finals + words, ()
        else:
            self._interim = words

    def classify(self, words: tuple[str, ...]) -> Phrase:
        """The class of some comparable words."""
        if not words:
            return Phrase.NONE
        if any(contains(words, phrase) for phrase in self._interruptions):
            return Phrase.INTERRUPTION
        if composed_of([drawn_in(word) for word in words], self._acknowledgements):
            return Phrase.ACKNOWLEDGEMENT
        return Phrase.OTHER

    def while_speaking(self, voiced_frames: int) -> Verdict:
        """The judgement while the assistant is audible; `voiced_frames` of the segment."""
        phrase = self.classify(self.words)
        if phrase is Phrase.INTERRUPTION:
            return Verdict.STOP
        if self._plan.num_words == 0:
            overlap = voiced_frames - self._ignored_frames
            enough = overlap >= self._frames_needed and not self.deaf
            return Verdict.PAUSE if enough else Verdict.GO_ON
        if phrase is Phrase.OTHER and len(self.words) >= self._plan.num_words:
            return Verdict.STOP
        return Verdict.GO_ON

    def stops_paused(self) -> bool:
        """Whether the words suffice to stop an assistant that is paused."""
        phrase = self.classify(self.words)
        if phrase is Phrase.INTERRUPTION:
            return True
        return phrase is Phrase.OTHER and len(self.words) >= max(1, self._plan.num_words)

    def resume_at(
        self, paused_at: float, last_speech_at: float | None, settled_at: float | None
    ) -> float:
        """When a pause without sufficient words ends, monotonic.

        At once when the transcriber has said that nothing (or an acknowledgement) was said; after
        some patience when it says nothing; and in any case before the pause is dead air.
        """
        limit = paused_at + self._plan.max_pause_s
        if last_speech_at is None:
            return limit
        if settled_at is not None:
            return min(limit, settled_at)
        return min(limit, last_speech_at + self._settle_s + self._plan.false_interruption_s)
