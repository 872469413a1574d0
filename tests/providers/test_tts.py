import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.codecs.pcm import rms_dbfs
from aywa.providers.offline.demo import demo_script
from aywa.providers.offline.engines import (
    CANNOT_SPEAK,
    Engine,
    EngineMissing,
    Espeak,
    Flite,
    Prompts,
    Rendered,
)
from aywa.providers.offline.loudness import LEAD, at_telephone_level
from aywa.providers.offline.tts import MAX_CLAUSE, OfflineTextToSpeech, RenderedClauses, clauses
from aywa.providers.protocols import ProviderError, SpeechChunk

TEXT = "Hello there. How are you?"


async def spoken(tts: OfflineTextToSpeech, text: str) -> list[SpeechChunk]:
    return [chunk async for chunk in tts.speak(text)]


def test_text_is_cut_at_sentences_and_a_long_one_at_its_first_clause() -> None:
    assert clauses("We open at 9. 30 people came, e.g. me. Yes!") == [
        "We open at 9.",
        "30 people came, e.g. me.",
        "Yes!",
    ]
    long = "When you come to the house, please ring the bell twice, and wait for the dog."
    assert clauses(long) == [long[:27], long[28:]]


@given(st.text(max_size=1_500))
def test_clauses_are_short_and_lose_no_letter(text: str) -> None:
    pieces = clauses(text)
    assert all(0 < len(piece) <= MAX_CLAUSE for piece in pieces)
    assert [c for c in text if c.isalnum()] == [c for p in pieces for c in p if c.isalnum()]


async def test_what_was_said_before_is_not_rendered_again(tones: Engine) -> None:
    tts = OfflineTextToSpeech(tones)
    first, second = await spoken(tts, TEXT), await spoken(tts, TEXT)
    assert tones.asked == ["Hello there.", "How are you?"]  # type: ignore[attr-defined]
    assert [len(chunk.pcm) for chunk in first] == [800, 800]
    assert all(np.array_equal(a.pcm, b.pcm) for a, b in zip(first, second, strict=True))
    tts.close()


def test_the_kept_clauses_are_bounded_and_the_oldest_goes() -> None:
    kept = RenderedClauses(limit=250)
    for name in "abc":
        kept.put(name, Rendered(np.zeros(100, np.int16)))
        kept.get("a")
    assert [kept.get(name) is not None for name in "abc"] == [True, False, True]
    kept.put("huge", Rendered(np.zeros(251, np.int16)))
    assert kept.get("huge") is None


class SlowEngine:
    """Renders only when it is let."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def render(self, text: str) -> Rendered:
        self.may.wait(5)
        return Rendered(np.ones(800, np.int16))

    def describe(self) -> str:
        return "slow"


async def test_cancelling_does_not_wait_for_the_clause_in_the_making() -> None:
    engine = SlowEngine()
    tts = OfflineTextToSpeech(engine)
    task = asyncio.create_task(spoken(tts, TEXT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    engine.may.set()
    tts.close()


async def test_text_that_nobody_can_speak_is_an_error() -> None:
    class Mute(SlowEngine):
        def render(self, text: str) -> Rendered:
            return Rendered(np.zeros(0, np.int16))

    tts = OfflineTextToSpeech(Mute())
    with pytest.raises(ProviderError) as caught:
        await spoken(tts, "你好")
    assert caught.value.kind == "empty"
    with pytest.raises(ProviderError, match="at most"):
        await spoken(tts, "a" * 20_000)
    assert await spoken(tts, "  ") == []
    tts.close()


def test_level_and_silence_are_right() -> None:
    time = np.arange(8_000) / 8_000
    tone = (300 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    quiet = np.zeros(4_000, np.int16)
    trimmed = at_telephone_level(np.concatenate((quiet, tone, quiet)))
    assert trimmed.cut == 4_000 - LEAD
    assert abs(rms_dbfs(trimmed.pcm[LEAD : LEAD + 8_000]) + 20) < 0.5
    assert at_telephone_level(quiet).pcm.size == 0


async def test_flite_speaks_at_telephone_level_and_tells_its_words() -> None:
    try:
        tts = OfflineTextToSpeech(Flite("slt"))
    except EngineMissing:
        pytest.skip("needs libflite1")
    first, second = await spoken(tts, "Hello there, caller. It's “nine” o'clock.")
    assert -24 < rms_dbfs(first.pcm) < -18
    loud = np.flatnonzero(np.abs(first.pcm) > 300)
    assert loud[0] < 0.040 * 8_000
    assert [word.text for word in first.words] == ["Hello", "there,", "caller."]
    offset = len(first.pcm) / 8_000
    assert second.words[0].start_s >= offset
    ends = [word.end_s for word in first.words + second.words]
    assert ends == sorted(ends)
    assert ends[-1] <= offset + len(second.pcm) / 8_000
    assert "flite" in tts.describe()
    tts.close()


def test_a_missing_voice_and_a_failing_program_are_told() -> None:
    with pytest.raises(EngineMissing):
        Flite("nobody")
    with pytest.raises(ProviderError, match="espeak-ng"):
        Espeak("/bin/false").render("hello")


def test_the_shipped_prompts_hold_everything_the_demonstration_says() -> None:
    prompts = Prompts()
    unknown = len(prompts.render("Nobody has ever recorded this.").pcm)
    assert unknown == len(prompts.render(CANNOT_SPEAK).pcm) > 8_000
    for text in (*demo_script().texts(), "I heard: four one."):
        assert len(prompts.render(text).pcm) != unknown, text
    digits = [len(prompts.render(word).pcm) for word in ("four", "one", "four one")]
    assert digits[0] + digits[1] == digits[2]
