"""One thing the assistant says: its text, its audio and how far it got, under one generation.

A model's reply, the first message, a prompt and a `say` are all utterances; they differ in where
the text comes from. Text is cut into units, one unit at a time is synthesised, audio goes to the
line once it may be heard. `pump` gives the commands that have become possible.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

from ..providers.protocols import Pcm
from .commands import Command, EndPlay, Play, Synthesise
from .endpointing import CallerTurn
from .events import SpeechAudio, Stage
from .heard import HeardLedger
from .latency import Checkpoints
from .text import Chunker
from .timing import FRAME_SAMPLES, NEVER, reached, seconds

CHARACTERS_MAX = 8_000  # a model that says more than this is not listening to itself


@dataclass(frozen=True, slots=True)
class Speech:
    """What is to be said. Without `text` the model is asked."""

    kind: Literal["reply", "first", "say", "prompt", "apology", "goodbye"]
    text: str = ""
    interruptible: bool = True
    end_reason: str = ""
    """Why the call ends once this was spoken; empty if it goes on."""


class Utterance:
    """The life of one generation, from its first token to its last sample."""

    def __init__(self, generation: int, speech: Speech, now: float, *, voiced: bool) -> None:
        self.generation = generation
        self.speech = speech
        self.interruptible = speech.interruptible
        self.end_reason = speech.end_reason
        self.turn: CallerTurn | None = None
        """The caller's turn that this answers."""
        self.turn_key: int | None = None
        """And its key in the history."""
        self.checkpoints: Checkpoints | None = None
        self.hold_until = 0.0
        self.started_at: float | None = None
        self.paused_at: float | None = None
        self.cut_at: float | None = None
        self.samples_left = 0
        """Samples that the line last said have left."""
        self.tool_refused = False
        self.failed = False
        self.text_done = False
        self.ledger = HeardLedger()
        self._voiced = voiced
        self._chunker = Chunker()
        self._units: deque[str] = deque()
        self._unit = 0
        self._synthesising = False
        self._held: list[Pcm] = []
        self._frozen_s = 0.0
        self._progress_at = now
        self._play_ended = False
        self.given_to_line = False
        """Whether any audio was handed to the line, heard or not."""

    @property
    def empty(self) -> bool:
        """Whether no text has come that could be spoken."""
        return self._unit == 0 and not self._units and not self._synthesising

    @property
    def silent(self) -> bool:
        """Whether everything is done and there is nothing to play."""
        return self.text_done and self._settled_units and self.ledger.samples == 0

    @property
    def waits_for(self) -> Stage:
        """Who owes the next step."""
        if self._synthesising:
            return "voice"
        return "line" if self.text_done else "model"

    def add_text(self, text: str, now: float) -> None:
        """Append text of the reply."""
        self._progress_at = now
        if self.checkpoints and self.checkpoints.first_text_at is None:
            self.checkpoints.first_text_at = now
        self._take(self._chunker.feed(text, now))
        if self._chunker.characters > CHARACTERS_MAX:
            self.finish_text(now)

    def finish_text(self, now: float) -> None:
        """No more text will come."""
        self._progress_at = now
        self.text_done = True
        self._take(self._chunker.finish())

    def give_up(self, now: float, *, voice: bool) -> None:
        """Say no more than what is complete: its units, or without a `voice` its audio.

        The unit under way then stays incomplete in the ledger: its last words have no sound.
        """
        self.failed = self.text_done = True
        self._progress_at = now
        if not voice:
            self._units.clear()
            self._synthesising = False

    def add_audio(self, event: SpeechAudio) -> None:
        """Take audio of the unit under way."""
        if not self._is_current(event.unit):
            return
        self.ledger.add_audio(event.pcm, event.words)
        if len(event.pcm) == 0:
            return
        self._progress_at = event.at
        if self.checkpoints and self.checkpoints.first_audio_at is None:
            self.checkpoints.first_audio_at = event.at
        self._held.append(event.pcm)

    def end_unit(self, unit: int, now: float) -> None:
        """The unit under way is complete."""
        if self._is_current(unit):
            self._progress_at = now
            self._synthesising = False
            self.ledger.end_unit()

    def pump(self, now: float) -> list[Command]:
        """What can be done now."""
        out: list[Command] = []
        if not self.text_done:
            self._take(self._chunker.stalled(now))
        if self._units and not self._synthesising:
            self._synthesising = True
            self._unit += 1
            text = self._units.popleft()
            self.ledger.begin_unit(text)
            self._progress_at = now
            if self.checkpoints and self.checkpoints.first_unit_at is None:
                self.checkpoints.first_unit_at = now
            out.append(Synthesise(self.generation, self._unit, text))
        if self._held and reached(self.hold_until, now):
            if self.checkpoints and not self.given_to_line:
                self.checkpoints.hold_until = self.hold_until
            self.given_to_line = True
            self._progress_at = now
            out += [Play(self.generation, pcm) for pcm in self._held]
            self._held.clear()
        complete = self.text_done and self._settled_units and not self._held
        if complete and self.given_to_line and not self._play_ended:
            self._play_ended = True
            out.append(EndPlay(self.generation))
        return out

    def pause(self, now: float) -> None:
        """The line is being frozen."""
        self.paused_at = now

    def resume(self, now: float) -> int:
        """The line goes on; by how many samples before the place where it froze."""
        rewind = self.samples_left - self.ledger.word_start(self.samples_left)
        self._frozen_s += now - (self.paused_at or now) + seconds(rewind)
        self._progress_at = now
        self.paused_at = None
        return rewind

    def left_by(self, now: float) -> int:
        """About how many samples have left by `now`, where the line cannot be asked any more."""
        told = self.paused_at is not None and self.samples_left > 0
        if self.started_at is None or told:
            return self.samples_left
        end = min(t for t in (now, self.paused_at, self.cut_at) if t is not None)
        frames = int((end - self.started_at - self._frozen_s) / seconds(FRAME_SAMPLES)) + 1
        return max(self.samples_left, min(frames * FRAME_SAMPLES, self.ledger.samples))

    def due(self) -> float:
        """When `pump` will have something to do, monotonic."""
        stall = NEVER if self.text_done else self._chunker.due
        return min(stall, self.hold_until if self._held else NEVER)

    def stalled_at(self, stall_s: float) -> float:
        """When the utterance has made no progress for `stall_s` beyond its audio, monotonic."""
        audible_until = self.hold_until if self._held else 0.0
        if self.started_at is not None:
            audible_until = self.started_at + seconds(self.ledger.samples) + self._frozen_s
        return max(self._progress_at, audible_until) + stall_s

    @property
    def _settled_units(self) -> bool:
        return not self._units and not self._synthesising

    def _is_current(self, unit: int) -> bool:
        return self._synthesising and unit == self._unit

    def _take(self, pieces: list[str]) -> None:
        if self._voiced:
            self._units.extend(pieces)
