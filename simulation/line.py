"""A virtual telephone line: a scripted caller on one end, the conversation's audio on the other.

Every 20 ms it reports what the caller said and sends one frame of what is to be played, with the
semantics of `media.plane`: one current generation, pause without loss, flush at once, positions in
samples of the generation.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..media.plane import Digit, Event, Flushed, Heard, Paused, Played, PlayStarted
from ..providers.protocols import Pcm

FRAME_S = 0.020
FRAME_SAMPLES = 160
STREAM = "virtual"


@dataclass(frozen=True, slots=True)
class Sound:
    """The caller is audible from `start_s` to `end_s` on the line's heard clock.

    `text` is what a transcriber will make of it; empty for a cough.
    """

    start_s: float
    end_s: float
    text: str = ""


@dataclass(slots=True)
class _Generation:
    number: int
    pcm: Pcm
    sent: int = 0
    started: bool = False
    ended: bool = False
    paused: bool = False


class VirtualLine:
    """A line that ticks while `run` runs. `sent` is every frame that left, silence included.

    `sounds` is the caller's script and may be added to while the call goes on. `answers` is False
    for a media plane that has died: it takes commands and reports nothing of them.
    """

    def __init__(self, sounds: tuple[Sound, ...] = (), *, answers: bool = True) -> None:
        self.on_event: Callable[[Event], None] = lambda event: None
        self.sounds = list(sounds)
        self.digits: dict[int, str] = {}
        """Digits by the tick that reports them."""
        self.sent: list[Pcm] = []
        self.sent_generations: list[int] = []
        """The generation of each frame sent; 0 for silence."""
        self.flushed_at: dict[int, float] = {}
        self.answers = answers
        self._current: _Generation | None = None
        self._newest = 0

    def play(self, generation: int, pcm: Pcm) -> None:
        current = self._generation(generation)
        if current is not None:
            current.pcm = np.concatenate([current.pcm, pcm])

    def end_play(self, generation: int) -> None:
        current = self._generation(generation)
        if current is not None:
            current.ended = True

    def pause(self, generation: int) -> None:
        current = self._current
        if current is not None and current.number == generation:
            current.paused = True
            self._report(Paused(STREAM, generation, self._now(), current.sent))

    def resume(self, generation: int, rewind: int = 0) -> None:
        current = self._current
        if current is not None and current.number == generation:
            current.paused = False
            current.sent = max(0, current.sent - rewind)

    def flush(self, generation: int) -> None:
        self.flushed_at[generation] = self._now()
        self._newest = max(self._newest, generation + 1)
        current = self._current
        if current is not None and current.number <= generation:
            self._current = None
            self._report(Flushed(STREAM, current.number, self._now(), current.sent))

    def audio(self) -> Pcm:
        """All that left the line."""
        return np.concatenate(self.sent) if self.sent else np.zeros(0, np.int16)

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        begin, tick = loop.time(), 0
        while True:
            tick += 1
            await asyncio.sleep(begin + tick * FRAME_S - loop.time())
            self._hear(tick - 1)
            self._send()

    def _hear(self, frame: int) -> None:
        middle = (frame + 0.5) * FRAME_S
        speech = any(sound.start_s <= middle < sound.end_s for sound in self.sounds)
        now = self._now()
        pcm = np.zeros((1, FRAME_SAMPLES), np.int16)
        sample = frame * FRAME_SAMPLES
        self.on_event(Heard(STREAM, now, now, sample, pcm, (speech,), (True,)))
        if frame in self.digits:
            self.on_event(Digit(STREAM, now, self.digits[frame], 0.1))

    def _send(self) -> None:
        frame = np.zeros(FRAME_SAMPLES, np.int16)
        current = self._current
        number = 0
        if current is not None and not current.paused:
            piece = current.pcm[current.sent : current.sent + FRAME_SAMPLES]
            if len(piece) == FRAME_SAMPLES or (current.ended and len(piece)):
                frame[: len(piece)] = piece
                number = current.number
                current.sent += len(piece)
                self._note(current)
        self.sent.append(frame)
        self.sent_generations.append(number)
        if current is self._current and current is not None:
            self._complete(current)

    def _note(self, current: _Generation) -> None:
        if not current.started:
            current.started = True
            self._report(PlayStarted(STREAM, current.number, self._now()))

    def _complete(self, current: _Generation) -> None:
        if current.ended and not current.paused and current.sent == len(current.pcm):
            self._current = None
            self._newest = current.number + 1
            self._report(Played(STREAM, current.number, self._now(), current.sent))

    def _generation(self, number: int) -> _Generation | None:
        """The generation to append to; None if it is an old one, which is ignored."""
        if number < self._newest:
            return None
        if self._current is None or self._current.number != number:
            self._newest = number
            self._current = _Generation(number, np.zeros(0, np.int16))
        return self._current

    def _report(self, event: Event) -> None:
        if self.answers:
            self.on_event(event)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
