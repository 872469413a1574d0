"""The model's reply and its synthesis: one coroutine each, which ends or is cancelled.

Both turn a provider's stream into events of their generation. Leaving early closes the stream.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np

from ..base.clock import Clock
from ..providers.protocols import (
    SAMPLE_RATE,
    LanguageModel,
    ModelRequest,
    ProviderError,
    SpeechChunk,
    TextDelta,
    TextToSpeech,
    ToolCall,
)
from .events import (
    ProviderDown,
    ReplyDone,
    ReplyText,
    ReplyTool,
    SpeechAudio,
    SpeechDone,
    Stage,
    TurnEvent,
)

UNIT_SAMPLES_MAX = 120 * SAMPLE_RATE  # a unit of text that speaks longer than this is broken

Item = TypeVar("Item")
OnEvent = Callable[[TurnEvent], None]


async def think(
    model: LanguageModel, request: ModelRequest, generation: int, clock: Clock, on_event: OnEvent
) -> None:
    """Stream one reply of the model."""
    try:
        async with _closing(model.reply(request)) as events:
            async for event in events:
                now = clock.monotonic()
                if isinstance(event, TextDelta):
                    on_event(ReplyText(now, generation, event.text))
                elif isinstance(event, ToolCall):
                    on_event(ReplyTool(now, generation, event))
        on_event(ReplyDone(clock.monotonic(), generation))
    except Exception as error:
        on_event(_down(error, "model", model.name, generation, clock))


async def speak(
    tts: TextToSpeech, text: str, generation: int, unit: int, clock: Clock, on_event: OnEvent
) -> None:
    """Stream the audio of one unit of text."""
    samples = 0
    try:
        async with _closing(tts.speak(text)) as chunks:
            async for chunk in chunks:
                samples += _checked(chunk, tts.name)
                if samples > UNIT_SAMPLES_MAX:
                    raise ProviderError(tts.name, "protocol", f"no end after {samples} samples")
                now = clock.monotonic()
                on_event(SpeechAudio(now, generation, unit, chunk.pcm, chunk.words))
        on_event(SpeechDone(clock.monotonic(), generation, unit))
    except Exception as error:
        on_event(_down(error, "voice", tts.name, generation, clock))


def _checked(chunk: SpeechChunk, name: str) -> int:
    pcm = chunk.pcm
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        shape = f"{pcm.dtype} of {pcm.ndim} dimensions"
        raise ProviderError(name, "protocol", f"expected int16 samples in a row, got {shape}")
    return len(pcm)


def _down(error: Exception, stage: Stage, name: str, generation: int, clock: Clock) -> ProviderDown:
    if not isinstance(error, ProviderError):
        # A vendor's bug must not take the call with it.
        error = ProviderError(name, "protocol", repr(error))
    now = clock.monotonic()
    return ProviderDown(now, stage, generation, name, error.kind, str(error))


@asynccontextmanager
async def _closing(iterator: AsyncIterator[Item]) -> AsyncIterator[AsyncIterator[Item]]:
    """Close the provider's stream on the way out, whichever way that is."""
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
