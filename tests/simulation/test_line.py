"""The virtual line keeps the media plane's promises, and tones can be read back."""

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.plane import Digit, Event, Flushed, Heard, Paused, Played, PlayStarted
from aywa.simulation.line import Sound, VirtualLine
from aywa.simulation.loop import run_virtual
from aywa.simulation.tones import WordTones


def on_line(
    script: dict[float, Callable[[VirtualLine], None]], *sounds: Sound, seconds: float = 1.0
) -> tuple[VirtualLine, list[Event]]:
    """Run a line for a while; what it sent and reported, without the silence it heard."""
    events: list[Event] = []

    async def main() -> VirtualLine:
        line = VirtualLine(sounds)
        line.on_event = events.append
        loop = asyncio.get_running_loop()
        for at, action in script.items():
            loop.call_later(at, action, line)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.run(), seconds + 0.001)
        return line

    return run_virtual(main()), events


def audio(frames: int, level: int = 1_000) -> np.ndarray:
    return np.full(frames * 160, level, np.int16)


def reports(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Heard)]


def test_plays_and_reports_its_beginning_and_its_end() -> None:
    def play(line: VirtualLine) -> None:
        line.play(1, audio(3))
        line.end_play(1)

    line, events = on_line({0.05: play})
    started, played = reports(events)
    assert isinstance(started, PlayStarted)
    assert isinstance(played, Played)
    assert played.samples == 480
    assert played.at - started.at == pytest.approx(0.04)
    assert line.sent_generations[:7] == [0, 0, 1, 1, 1, 0, 0]


def test_pause_loses_nothing_and_resume_rewinds() -> None:
    steps = {
        0.01: lambda line: line.play(1, np.arange(1_600, dtype=np.int16)),
        0.05: lambda line: line.pause(1),
        0.31: lambda line: line.resume(1, 100),
        0.32: lambda line: line.end_play(1),
    }
    line, events = on_line(steps)
    _started, paused, played = reports(events)
    assert isinstance(paused, Paused)
    assert paused.samples == 320
    assert isinstance(played, Played)
    assert played.samples == 1_600
    sent = np.concatenate([f for f, n in zip(line.sent, line.sent_generations, strict=True) if n])
    assert sent[:320].tolist() == list(range(320))
    assert sent[320 : 320 + 1_380].tolist() == list(range(220, 1_600))


def test_after_a_flush_not_one_old_sample_leaves() -> None:
    steps = {
        0.01: lambda line: line.play(3, audio(20)),
        0.07: lambda line: line.flush(3),
        0.09: lambda line: line.play(3, audio(5)),
        0.11: lambda line: line.play(4, audio(2, 2_000)),
    }
    line, events = on_line(steps)
    flushed = reports(events)[1]
    assert isinstance(flushed, Flushed)
    assert flushed.samples == 480
    assert [n for n in line.sent_generations if n] == [3, 3, 3, 4, 4]


def test_the_caller_speaks_by_script() -> None:
    def dial(line: VirtualLine) -> None:
        line.digits[10] = "5"

    _, events = on_line({0.0: dial}, Sound(0.1, 0.2))
    frames = [event for event in events if isinstance(event, Heard)]
    assert [i for i, event in enumerate(frames) if event.speech[0]] == [5, 6, 7, 8, 9]
    assert [event.sample for event in frames] == [i * 160 for i in range(50)]
    assert [event.digit for event in events if isinstance(event, Digit)] == ["5"]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), st.integers(2, 12))
def test_words_are_read_back_from_their_tones(words: list[str], frames: int) -> None:
    tones = WordTones(frames)
    pcm, times = tones.say(" ".join(words))
    assert tones.read(pcm) == [(word, frames - 1) for word in words]
    assert [time.text for time in times] == words
    assert len(pcm) == len(words) * tones.word_samples


def test_tones_need_a_frame_of_silence() -> None:
    with pytest.raises(ValueError, match="silence"):
        WordTones(1)
