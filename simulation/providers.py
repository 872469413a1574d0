"""Scripted ears, mind and mouth: they do what a test says, when it says.

The transcriber is an oracle: it reads the virtual caller's script and knows nothing before the
samples that carry it were sent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..providers.protocols import (
    SAMPLE_RATE,
    ModelEvent,
    ModelRequest,
    Pcm,
    ProviderError,
    ReplyFinished,
    SpeechChunk,
    TextDelta,
    ToolCall,
    Transcript,
    Word,
)
from .line import Sound
from .tones import WordTones


class _OracleStream:
    def __init__(self, stt: "ScriptedStt") -> None:
        self._stt = stt
        self._samples = 0
        self._taken_s = 0.0
        self._shown = 0
        self._out: asyncio.Queue[Transcript | ProviderError] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def send(self, pcm: Pcm) -> None:
        self._samples += len(pcm)
        spoken = self._spoken()
        if self._stt.interims and len(spoken) > self._shown:
            self._shown = len(spoken)
            self._post(self._transcript(spoken, final=False), self._stt.interim_delay_s)
        if self._samples / SAMPLE_RATE >= self._stt.fails_at_s:
            self._out.put_nowait(ProviderError(self._stt.name, "stall", "scripted failure"))

    def finalize(self) -> None:
        if self._stt.finals == "never":
            return
        spoken = [] if self._stt.finals == "empty" else self._spoken()
        self._taken_s, self._shown = self._samples / SAMPLE_RATE, 0
        transcript = self._transcript(spoken, final=True)
        self._post(transcript, self._stt.final_delay_s)

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while True:
            item = await self._out.get()
            if isinstance(item, ProviderError):
                raise item
            yield item

    def _post(self, transcript: Transcript, delay_s: float) -> None:
        self._loop.call_later(delay_s, self._out.put_nowait, transcript)

    def _spoken(self) -> list[Word]:
        """The words that were heard to their end since the last final."""
        now_s = self._samples / SAMPLE_RATE
        words = [word for sound in self._stt.sounds for word in _words(sound)]
        # Half a frame of tolerance: sounds need not end on a frame's border.
        return [word for word in words if self._taken_s < word.end_s <= now_s + 0.010]

    def _transcript(self, words: list[Word], *, final: bool) -> Transcript:
        now_s = self._samples / SAMPLE_RATE
        return Transcript(
            text=" ".join(word.text for word in words),
            final=final,
            start_s=words[0].start_s if words else self._taken_s,
            end_s=words[-1].end_s if words else now_s,
            words=tuple(words) if self._stt.word_times else (),
            from_finalize=final,
        )


def _words(sound: Sound) -> list[Word]:
    texts = sound.text.split()
    step = (sound.end_s - sound.start_s) / max(1, len(texts))
    return [
        Word(text, sound.start_s + i * step, sound.start_s + (i + 1) * step)
        for i, text in enumerate(texts)
    ]


@dataclass
class ScriptedStt:
    """Understands `sounds` perfectly, with the given delays and manners.

    `finals` is how a finalize is answered: with the text, with nothing in it, or never.
    """

    sounds: Sequence[Sound]
    name: str = "scripted-stt"
    interims: bool = True
    word_times: bool = True
    interim_delay_s: float = 0.1
    final_delay_s: float = 0.2
    finals: Literal["normal", "empty", "never"] = "normal"
    connect_s: float = 0.05
    fails_at_s: float = float("inf")
    open_streams: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_OracleStream]:
        await asyncio.sleep(self.connect_s)
        self.open_streams += 1
        try:
            yield _OracleStream(self)
        finally:
            self.open_streams -= 1


@dataclass
class ScriptedModel:
    """Answers the n-th request with the n-th reply; the last one again when they run out.

    A reply is a text (spoken word by word), a sequence of events, or an error.
    """

    replies: Sequence[str | Sequence[ModelEvent] | ProviderError]
    name: str = "scripted-model"
    first_token_s: float = 0.3
    token_s: float = 0.02
    stalls_after: int | None = None
    """Tokens after which the stream goes silent for good."""
    requests: list[ModelRequest] = field(default_factory=list)
    cancelled: int = 0

    async def reply(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        script = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        finished = False
        try:
            await asyncio.sleep(self.first_token_s)
            if isinstance(script, ProviderError):
                raise script
            for count, event in enumerate(_events(script)):
                if count == self.stalls_after:
                    await asyncio.Event().wait()
                yield event
                await asyncio.sleep(self.token_s)
            yield ReplyFinished()
            finished = True
        finally:
            self.cancelled += not finished and not isinstance(script, ProviderError)


def _events(script: str | Sequence[ModelEvent]) -> list[ModelEvent]:
    if isinstance(script, str):
        words = script.split(" ")
        return [TextDelta(word if i == 0 else " " + word) for i, word in enumerate(words)]
    return list(script)


@dataclass
class ScriptedTts:
    """Speaks in word tones, faster than real time.

    `fault` says what goes wrong with a text, if anything; an `after_s` of audio comes before.
    """

    tones: WordTones = field(default_factory=WordTones)
    name: str = "scripted-tts"
    first_audio_s: float = 0.1
    chunk_samples: int = 1_600
    speed: float = 4.0
    """Seconds of audio per second."""
    word_times: bool = True
    fault: Callable[[str], ProviderError | None] = lambda text: None
    after_s: float = 0.0
    spoken: list[str] = field(default_factory=list)
    running: int = 0

    async def speak(self, text: str) -> AsyncIterator[SpeechChunk]:
        self.spoken.append(text)
        self.running += 1
        try:
            await asyncio.sleep(self.first_audio_s)
            pcm, words = self.tones.say(text)
            error = self.fault(text)
            if error is not None:
                pcm = pcm[: int(self.after_s * SAMPLE_RATE)]
            for start in range(0, len(pcm), self.chunk_samples):
                yield self._chunk(pcm, words, start)
                await asyncio.sleep(self.chunk_samples / SAMPLE_RATE / self.speed)
            if error is not None:
                raise error
        finally:
            self.running -= 1

    def _chunk(self, pcm: Pcm, words: tuple[Word, ...], start: int) -> SpeechChunk:
        end = start + self.chunk_samples
        timed = tuple(word for word in words if start <= round(word.start_s * SAMPLE_RATE) < end)
        return SpeechChunk(np.asarray(pcm[start:end]), timed if self.word_times else ())


def tool(name: str) -> ToolCall:
    """A model's call of a tool without arguments."""
    return ToolCall(id="call-1", name=name)
