"""A whole call on virtual time: scripted caller, scripted providers, one virtual line."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pytest

from aywa.simulation.line import Sound, VirtualLine
from aywa.simulation.loop import START_S, VirtualClock, run_virtual
from aywa.simulation.providers import ScriptedModel, ScriptedStt, ScriptedTts
from aywa.simulation.tones import WordTones
from aywa.voice.conversation_events import CallEndRequested, ConversationEvent
from aywa.voice.session import Conversation
from aywa.voice.settings import ConversationSettings, StartSpeakingPlan

Told = TypeVar("Told")

EXACT = StartSpeakingPlan(speech_overhang_s=0.0)
"""The scripted speech detector has no overhang."""


@dataclass
class Call:
    """A scripted call and everything that came of it. Times are seconds since the call was up."""

    settings: ConversationSettings
    sounds: tuple[Sound, ...] = ()
    model: ScriptedModel = field(default_factory=lambda: ScriptedModel(["Fine, thank you."]))
    tts: ScriptedTts | None = field(default_factory=ScriptedTts)
    stt: ScriptedStt | None = None
    deaf: bool = False
    answers: bool = True
    actions: Sequence[tuple[float, Callable[[Conversation], None]]] = ()
    digits: dict[float, str] = field(default_factory=dict)
    events: list[ConversationEvent] = field(default_factory=list)

    def run(self, until_s: float = 30.0) -> "Call":
        """Play the call until it ends by itself or the caller hangs up at `until_s`."""
        run_virtual(self._run(until_s))
        return self

    async def _run(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.line = VirtualLine(self.sounds, answers=self.answers)
        self.line.digits = {round(at / 0.02): digit for at, digit in self.digits.items()}
        if self.stt is None and not self.deaf:
            self.stt = ScriptedStt(self.line.sounds)
        self.conversation = Conversation(
            settings=self.settings,
            line=self.line,
            stt=self.stt,
            model=self.model,
            tts=self.tts,
            clock=VirtualClock(),
            on_event=self.events.append,
        )
        self.line.on_event = self.conversation.on_media
        for at, action in self.actions:
            loop.call_later(at, action, self.conversation)
        ticking = asyncio.create_task(self.line.run())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.conversation.run(), until_s)
        self.over_s = loop.time() - START_S
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking  # raises what went wrong in `on_media`
        await asyncio.sleep(1.0)  # nothing may happen after the end

    def told(self, kind: type[Told]) -> list[Told]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ending(self) -> str | None:
        """Why the conversation wanted the call ended."""
        ends = self.told(CallEndRequested)
        return ends[0].reason if ends else None

    @property
    def dialogue(self) -> list[tuple[str, str]]:
        """The history, as (role, words)."""
        return [(entry.role, entry.text) for entry in self.conversation.history.entries]

    def played(self) -> list[tuple[str, int]]:
        """The words that left the line, with their frames."""
        return self._tones.read(self.line.audio())

    def spoken(self, generation: int) -> str:
        """The words that left the line under one generation."""
        pairs = zip(self.line.sent_generations, self.line.sent, strict=True)
        frames = [pcm for number, pcm in pairs if number == generation]
        audio = np.concatenate(frames) if frames else np.zeros(0, np.int16)
        return " ".join(word for word, _ in self._tones.read(audio))

    @property
    def _tones(self) -> WordTones:
        assert self.tts is not None
        return self.tts.tones


@pytest.fixture
def call() -> Callable[..., Call]:
    """Make a call; settings' `start_speaking` has no overhang unless given."""

    def make(*sounds: Sound, **changes: object) -> Call:
        own = {
            key: changes.pop(key)
            for key in list(changes)
            if key in ConversationSettings.__dataclass_fields__ and key != "model"
        }
        settings = ConversationSettings(**{"start_speaking": EXACT, "stt_settle_s": 0.35, **own})  # type: ignore[arg-type]  # free keywords of a test
        return Call(settings, sounds, **changes)  # type: ignore[arg-type]

    return make
