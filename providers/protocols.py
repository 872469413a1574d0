"""What a conversation asks of the outside: ears, a mind and a mouth.

Three small protocols. A vendor is one file that fulfils them; a test double is a script. All audio
is 8 kHz mono int16, the rate of the telephone line.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..base.errors import AywaError

SAMPLE_RATE = 8_000  # samples per second of every stream in and out

Pcm = NDArray[np.int16]

ProviderFailure = Literal[
    "connect", "auth", "rate", "timeout_first_byte", "stall", "protocol", "close_early", "empty"
]


class ProviderError(AywaError):
    """A provider failed. `kind` says how, so that the conversation can choose what to do."""

    def __init__(self, provider: str, kind: ProviderFailure, message: str) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.kind: ProviderFailure = kind


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it sounds, in seconds since the first sample of its stream."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood of a stretch of the caller's audio.

    An interim transcript (`final` false) may change; a final one stands. `from_finalize` marks the
    answer to `SttStream.finalize`; its text may be empty ("nothing more").
    """

    text: str
    final: bool
    start_s: float
    end_s: float
    confidence: float = 1.0
    words: tuple[Word, ...] = ()
    from_finalize: bool = False


class SttStream(Protocol):
    """One open recognition stream; iterating it yields transcripts until it is closed."""

    def send(self, pcm: Pcm) -> None:
        """Hand over the next samples. Never blocks; the stream bounds what it holds."""
        ...

    def finalize(self) -> None:
        """Ask for a final transcript of everything sent so far, now."""
        ...

    def __aiter__(self) -> AsyncIterator[Transcript]: ...


class SpeechToText(Protocol):
    """Turns a caller's audio into words."""

    name: str

    def open(self) -> AbstractAsyncContextManager[SttStream]:
        """Open a stream; leaving the block closes it. Raises ProviderError."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the conversation as a language model sees it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a language model is asked."""

    messages: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...] = ()
    temperature: float = 0.5
    max_tokens: int = 250


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete request of the model to run a tool."""

    id: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The end of a reply, with the tokens it cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


ModelEvent = TextDelta | ToolCall | ReplyFinished


class LanguageModel(Protocol):
    """Answers a conversation with a stream of text and tool calls."""

    name: str

    def reply(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream one reply; closing the iterator cancels it. Raises ProviderError."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """Synthesised audio, and the words in it where the provider tells their times.

    `words` are timed from the first sample of the utterance that was asked for.
    """

    pcm: Pcm
    words: tuple[Word, ...] = ()


class TextToSpeech(Protocol):
    """Turns text into audio."""

    name: str

    def speak(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Stream the audio of one piece of text; closing the iterator cancels it.

        Raises ProviderError.
        """
        ...
