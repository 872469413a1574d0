"""The state of a conversation and the verbs that change it; `turn` decides which and when.

Every part that understands something (speech segments, the endpointer, the barge-in judge, the
utterance under way, the keypad, the idle clock, the history) stands here once. A verb leaves the
parts and the floor consistent, and appends the commands that follow to `out`.
"""

from collections import deque
from enum import Enum, auto
from typing import Literal

from ..providers.protocols import ProviderFailure
from . import conversation_events as told
from .barge_in import BargeIn, Phrase
from .commands import (
    CancelReply,
    CancelSpeech,
    Command,
    Finish,
    Flush,
    Pause,
    Resume,
    StartReply,
    Tell,
)
from .endpointing import CallerTurn, Endpointer
from .events import Stage
from .history import Entry, History
from .idle import IdleClock
from .keypad import Keypad
from .latency import Checkpoints
from .phrases import contains, words_of
from .settings import ConversationSettings
from .speech import HeardClock, SpeechSegmenter
from .timing import NEVER
from .utterance import Speech, Utterance

CUT_ANSWER_S = 0.1  # the line answers a flush within a tick; without an answer its last word counts


class Floor(Enum):
    """Who has the floor; see the module's description."""

    OPENING = auto()
    LISTENING = auto()
    THINKING = auto()
    SPEAKING = auto()
    PAUSED = auto()
    CUTTING = auto()
    ENDED = auto()


class Talk:
    """One conversation between an assistant and a caller, as it stands now."""

    def __init__(
        self, settings: ConversationSettings, *, voiced: bool = True, settle_s: float = 0.35
    ) -> None:
        start = settings.start_speaking
        self.history = History(settings.model.messages)
        self.settings = settings
        self.voiced = voiced
        self.floor = Floor.OPENING
        self.now = 0.0
        self.out: list[Command] = []
        self.clock = HeardClock()
        self.segments = SpeechSegmenter(stop_s=start.stop_s, overhang_s=start.speech_overhang_s)
        self.endpointer = Endpointer(start, settle_s)
        self.barge_in = BargeIn(settings.stop_speaking, settle_s)
        self.keypad = Keypad(settings.keypad)
        self.idle = IdleClock(settings.idle)
        self.utterance: Utterance | None = None
        self.generation = 0
        self.queue: deque[Speech] = deque()
        self.reply_wanted = False
        self.turn: CallerTurn | None = None
        self.turn_key: int | None = None
        self.hold_until = 0.0
        self.audible_s = 0.0
        self.cut_until = NEVER
        self.end_at = NEVER
        self.end_reason = ""
        self.started_at: float | None = None
        self.line_heard = False
        self.failed_replies = 0

    # Beginning, stopping and settling an utterance ---------------------------------------------

    def begin(self, speech: Speech) -> None:
        """Start an utterance under a new generation."""
        self.generation += 1
        utterance = Utterance(self.generation, speech, self.now, voiced=self.voiced)
        utterance.hold_until = self.hold_until
        self.utterance = utterance
        self.floor = Floor.THINKING
        if speech.text:
            utterance.add_text(speech.text, self.now)
            utterance.finish_text(self.now)
            return
        if self.turn is not None:
            utterance.turn, self.turn = self.turn, None
            utterance.turn_key = self.turn_key
            utterance.checkpoints = Checkpoints(utterance.turn.end, requested_at=self.now)
        self.out.append(StartReply(self.generation, self.history.messages()))

    def stop(self, evidence: Literal["words", "keypad", "control"] | None) -> None:
        """Silence first, then stop paying for tokens; the line tells what had left."""
        utterance = self.current()
        generation = utterance.generation
        if utterance.given_to_line:
            self.out.append(Flush(generation))
        self.out += [CancelSpeech(generation), CancelReply(generation)]
        if evidence and utterance.started_at is not None:
            text = " ".join(self.barge_in.words) if evidence == "words" else ""
            self.tell(told.Interrupted(self.now, evidence, text))
            backoff_s = self.settings.stop_speaking.backoff_s
            self.hold_until = max(self.hold_until, self.now + backoff_s)
        if utterance.given_to_line:
            utterance.cut_at = self.now
            self.floor = Floor.CUTTING
            self.cut_until = self.now + CUT_ANSWER_S
        else:
            self.settle(utterance, 0, self.now, interrupted=True)

    def pause(self, utterance: Utterance) -> None:
        """Freeze the line; nothing is lost."""
        utterance.pause(self.now)
        self.floor = Floor.PAUSED
        self.out.append(Pause(utterance.generation))
        self.tell(told.AssistantPaused(self.now))

    def resume(self, utterance: Utterance) -> None:
        """The caller did not mean it: go on at the word that was cut, and forget the noise."""
        rewind = utterance.resume(self.now)
        self.floor = Floor.SPEAKING
        self.endpointer.drop()
        self.barge_in.begin(self.clock.heard_s(self.now), self.segments.voiced_frames)
        self.out.append(Resume(utterance.generation, rewind))

    def settle(self, utterance: Utterance, samples: int, at: float, *, interrupted: bool) -> None:
        """The utterance is over: what of it was heard is now the truth."""
        self.utterance = None
        self.floor = Floor.LISTENING
        self.cut_until = NEVER
        text = utterance.ledger.heard(samples)
        if samples:
            started_at = at if utterance.started_at is None else utterance.started_at
            if text:
                self.history.add(Entry("assistant", text, started_at, interrupted))
            self.tell(told.SpeechUpdate("assistant", "stopped", at))
            self.tell(told.AssistantTurn(text, started_at, at, interrupted, samples))
        self.idle.assistant_stopped(at, prompt=utterance.speech.kind == "prompt")
        if interrupted:
            return
        self.end_reason = self.end_reason or utterance.end_reason
        words = words_of(text)
        phrases = self.settings.ending.phrases
        if any(contains(words, words_of(phrase)) for phrase in phrases):
            self.end_reason = self.end_reason or "assistant-said-end-call-phrase"

    def finish_silent(self, utterance: Utterance) -> None:
        """Everything is done and not one sample came of it."""
        reply = utterance.speech.kind == "reply"
        wanted = reply and self.voiced and not utterance.end_reason and not utterance.failed
        if not utterance.empty and not utterance.failed:
            self.fail("voice", "voice", "empty", "the text was spoken without any audio")
        elif wanted and utterance.tool_refused:
            self.apologise("tool")
        elif wanted:
            self.fail("model", "model", "empty", "the reply had no words")
        if self.utterance is utterance:
            self.settle(utterance, 0, self.now, interrupted=False)

    # The caller's side --------------------------------------------------------------------------

    def take_turn(self) -> None:
        """The caller has finished: their words are the truth and want an answer."""
        turn = self.endpointer.commit(self.now)
        self.turn = turn
        self.turn_key = self.history.add(Entry("user", turn.text, turn.started_at))
        self.tell(told.UserTurn(turn.text, turn.started_at, turn.ended_at))
        wait_s = self.settings.start_speaking.wait_s
        self.hold_until = max(self.hold_until, turn.end.last_speech_at + wait_s)
        self.idle.caller_answered()
        self.reply_wanted = True

    def take_digits(self, digits: str) -> None:
        """A keypad entry is a turn of the caller."""
        self.tell(told.KeypadInput(digits, self.now))
        text = f"User's Keypad Entry: {digits}"
        self.history.add(Entry("user", text, self.now))
        self.tell(told.UserTurn(text, self.now, self.now))
        self.turn = self.turn_key = None
        self.idle.caller_answered()
        self.reply_wanted = True

    def take_back(self, utterance: Utterance) -> None:
        """The caller goes on before the answer is audible: both parts are one turn."""
        if utterance.turn_key is not None:
            self.history.remove(utterance.turn_key)
            self.endpointer.merge()
        self.turn = self.turn_key = None
        self.stop(None)

    def correct_turn(self, text: str) -> None:
        """Words of the last turn taken came late; its answer is already on the way."""
        if self.turn_key is not None:
            self.history.amend(self.turn_key, text)
            self.tell(told.UserTurn(text, self.now, self.now, amended=True))

    def words_added(self) -> bool:
        """Whether the turn in the making has words that say something."""
        phrase = self.barge_in.classify(words_of(self.endpointer.text))
        return phrase in (Phrase.OTHER, Phrase.INTERRUPTION)

    def settled_phrase(self) -> Phrase:
        """What the words of the turn in the making mean, once they are settled."""
        if self.endpointer.settled_at() is None:
            return Phrase.NONE
        return self.barge_in.classify(words_of(self.endpointer.text))

    def caller_speaks(self) -> bool:
        """Whether the caller is audible; a noisy line's "speech" does not count."""
        return self.segments.speaking and not self.barge_in.deaf

    def nobody_speaks(self) -> bool:
        """Whether the caller neither speaks nor may go on."""
        return not self.endpointer.open and not self.caller_speaks()

    # Failures and the end ----------------------------------------------------------------------

    def fail(self, stage: Stage, provider: str, kind: ProviderFailure, message: str) -> None:
        """Tell it, keep what can still be said, and choose what the caller hears instead."""
        self.tell(told.ProviderFailed(stage, provider, kind, message, self.now))
        utterance = self.utterance
        if stage == "model":
            self.failed_replies += 1
        if utterance is not None and stage != "transcriber":
            generation = utterance.generation
            self.out.append(CancelReply(generation))
            if stage != "model":
                self.out.append(CancelSpeech(generation))
            utterance.give_up(self.now, voice=stage == "model")
            if utterance.speech.kind == "apology":
                self.end_reason = self.end_reason or f"{stage}-failed"
                return
        self.apologise(stage)

    def apologise(self, stage: Stage) -> None:
        """Choose what the caller hears after a failure."""
        plan = self.settings.failure
        final = stage == "transcriber" or self.failed_replies >= plan.model_failures
        reason = f"{stage}-failed"
        if not plan.apology:
            self.end_reason = self.end_reason or reason
            return
        # One apology is enough for everything that failed before it is spoken.
        if self.queue and self.queue[0].kind == "apology":
            final = final or bool(self.queue.popleft().end_reason)
        end_reason = reason if final else ""
        self.queue.appendleft(Speech("apology", plan.apology, not final, end_reason))

    def end_now(self, reason: str) -> None:
        """End the call as soon as the line has told what was heard."""
        self.end_reason = reason
        self.end_at = NEVER
        if self.floor in (Floor.THINKING, Floor.SPEAKING, Floor.PAUSED):
            self.stop(None)
        elif self.floor is Floor.OPENING:
            self.end(reason)

    def end(self, reason: str) -> None:
        """The conversation is over."""
        self.floor = Floor.ENDED
        self.tell(told.CallEndRequested(reason, self.now))
        self.out.append(Finish())

    # Small questions ----------------------------------------------------------------------------

    def tell(self, event: told.ConversationEvent) -> None:
        """Tell the call."""
        self.out.append(Tell(event))

    def current(self) -> Utterance:
        """The utterance under way; only asked on floors that have one."""
        if self.utterance is None:
            raise LookupError(f"no utterance in {self.floor.name}")
        return self.utterance

    def of(self, generation: int) -> Utterance | None:
        """The current utterance if it is that generation and not being cut."""
        utterance = self.utterance
        current = utterance is not None and utterance.generation == generation
        return utterance if current and self.floor is not Floor.CUTTING else None

    def resume_at(self, utterance: Utterance) -> float:
        """When a pause without words ends, monotonic."""
        return self.barge_in.resume_at(
            utterance.paused_at or 0.0,
            self.endpointer.last_speech_at(),
            self.endpointer.settled_at(),
        )

    def stalled_at(self, utterance: Utterance) -> float:
        """When the utterance counts as failed, monotonic."""
        return utterance.stalled_at(self.settings.failure.stall_s)
