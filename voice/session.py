"""The asyncio shell around the turn manager: it owns the tasks, the one timer and the providers.

Events go in one at a time, commands are carried out at once and in order, in the very call that
brought the event: a pause decided by a frame of the caller's audio is on its way to the line before
`on_media` returns. Events that commands bring about wait their turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol

from ..base.clock import Clock
from ..media import plane
from ..providers.protocols import (
    LanguageModel,
    ModelRequest,
    Pcm,
    SpeechToText,
    TextToSpeech,
)
from . import commands, mouth
from .conversation_events import ConversationEvent
from .ears import Ears
from .events import CallGone, CallStarted, EndAsked, MessageAdded, Role, SayAsked, TurnEvent
from .history import History
from .settings import ConversationSettings
from .turn import TurnManager

_MEDIA_EVENTS = (
    plane.Heard,
    plane.Digit,
    plane.PlayStarted,
    plane.Played,
    plane.Paused,
    plane.Flushed,
)


class Line(Protocol):
    """Where the assistant's audio goes; a media stream is one. See `media.plane` for the verbs."""

    def play(self, generation: int, pcm: Pcm) -> None: ...
    def end_play(self, generation: int) -> None: ...
    def pause(self, generation: int) -> None: ...
    def resume(self, generation: int, rewind: int = 0) -> None: ...
    def flush(self, generation: int) -> None: ...


class Conversation:
    """One conversation over one line. `run` owns everything it starts and leaves nothing behind.

    Without `stt` the assistant is deaf (but for the keypad), without `tts` it is mute: then nothing
    it thinks enters the history, because nothing was heard.
    """

    def __init__(
        self,
        *,
        settings: ConversationSettings,
        line: Line,
        stt: SpeechToText | None,
        model: LanguageModel,
        tts: TextToSpeech | None,
        clock: Clock,
        on_event: Callable[[ConversationEvent], None],
    ) -> None:
        self._settings = settings
        self._line = line
        self._model = model
        self._tts = tts
        self._clock = clock
        self._tell = on_event
        self._turn = TurnManager(
            settings,
            voiced=tts is not None,
            settle_s=settings.settle_s(stt.name if stt else ""),
        )
        self._ears = Ears(stt, clock, self._post) if stt else None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._ended = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: float | None = None
        self._events: deque[TurnEvent | None] = deque()
        self._busy = False

    @property
    def history(self) -> History:
        """What was said, as far as it was heard."""
        return self._turn.history

    def on_media(self, event: plane.Event) -> None:
        """Take what the media plane reports of this line. Ignored before `run` and after the end.

        What follows for the line (pause, flush) has been asked of it when this returns.
        """
        if self._tasks is None or not isinstance(event, _MEDIA_EVENTS):
            return
        if isinstance(event, plane.Heard) and self._ears is not None:
            self._ears.hear(event)
        self._post(event)

    def say(
        self,
        text: str,
        *,
        end_call_after: bool = False,
        interrupt: bool = False,
        interruptible: bool = True,
    ) -> None:
        """Speak `text` next, or with `interrupt` at once."""
        now = self._clock.monotonic()
        self._post(SayAsked(now, text, end_call_after, interrupt, interruptible))

    def add_message(self, role: Role, content: str, *, trigger_response: bool = True) -> None:
        """Add a message to the history, and by default have it answered."""
        self._post(MessageAdded(self._clock.monotonic(), role, content, trigger_response))

    def end(self, reason: str) -> None:
        """Fall silent at once and ask for the end of the call."""
        self._post(EndAsked(self._clock.monotonic(), reason))

    async def run(self) -> None:
        """Converse until the conversation ends or this is cancelled (the caller hung up)."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                if self._ears is not None:
                    self._start(("ears", 0), self._ears.run())
                self._post(CallStarted(self._clock.monotonic()))
                await self._ended.wait()
                self._cancel_all()
        finally:
            self._post(CallGone(self._clock.monotonic()))
            self._tasks = None
            self._arm(None)

    def _post(self, event: TurnEvent | None) -> None:
        """Handle an event, or with None the passing of time, and all that it brings about."""
        self._events.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._events:
                self._step(self._events.popleft())
        finally:
            self._busy = False
        self._arm(self._turn.next_timer())

    def _step(self, event: TurnEvent | None) -> None:
        if event is None:
            todo = self._turn.handle_timer(self._clock.monotonic())
        else:
            todo = self._turn.handle(event)
        for command in todo:
            self._carry_out(command)

    def _carry_out(self, command: commands.Command) -> None:
        match command:
            case commands.Tell(event):
                self._tell(event)
            case commands.FinalizeTranscript():
                if self._ears is not None:
                    self._ears.finalize()
            case commands.StartReply():
                self._start_reply(command)
            case commands.Synthesise():
                self._start_speech(command)
            case commands.CancelReply() | commands.CancelSpeech():
                who = "model" if isinstance(command, commands.CancelReply) else "voice"
                self._cancel((who, command.generation))
            case commands.Finish():
                self._ended.set()
            case _:
                self._ask_line(command)

    def _ask_line(self, command: commands.LineCommand) -> None:
        match command:
            case commands.Play(generation, pcm):
                self._line.play(generation, pcm)
            case commands.EndPlay(generation):
                self._line.end_play(generation)
            case commands.Pause(generation):
                self._line.pause(generation)
            case commands.Resume(generation, rewind):
                self._line.resume(generation, rewind)
            case commands.Flush(generation):
                self._line.flush(generation)

    def _start_reply(self, command: commands.StartReply) -> None:
        plan = self._settings.model
        request = ModelRequest(command.messages, plan.tools, plan.temperature, plan.max_tokens)
        reply = mouth.think(self._model, request, command.generation, self._clock, self._post)
        self._start(("model", command.generation), reply)

    def _start_speech(self, command: commands.Synthesise) -> None:
        if self._tts is None:
            return
        speech = mouth.speak(
            self._tts, command.text, command.generation, command.unit, self._clock, self._post
        )
        self._start(("voice", command.generation), speech)

    def _start(self, key: tuple[str, int], work: Coroutine[None, None, None]) -> None:
        if self._tasks is None or self._ended.is_set():
            work.close()
            return
        task = self._tasks.create_task(work, name=f"conversation {key[0]} {key[1]}")
        self._running[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))

    def _forget(self, key: tuple[str, int], task: asyncio.Task[None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]

    def _cancel(self, key: tuple[str, int]) -> None:
        if key in self._running:
            self._running.pop(key).cancel()

    def _cancel_all(self) -> None:
        for key in list(self._running):
            self._cancel(key)

    def _arm(self, due: float | None) -> None:
        if due == self._timer_due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = None, due
        if due is not None and self._tasks is not None:
            delay = max(0.0, due - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._post(None)
