"""Frames to segments of speech, and the two clocks."""

import numpy as np
import pytest

from aywa.media.plane import Heard
from aywa.voice.speech import HeardClock, SpeechSegmenter, SpeechStarted, SpeechStopped

START = 50  # frames of silence before each script: a second, past the ignored beginning


def heard(first: int, script: str, at: float | None = None) -> Heard:
    """One event of frames: `x` speech, `.` none, `o` speech in a concealed frame, `-` lost."""
    arrived = (first + len(script)) * 0.02 if at is None else at
    speech = tuple(c in "xo" for c in script)
    real = tuple(c in "x." for c in script)
    pcm = np.zeros((len(script), 160), np.int16)
    return Heard("s", arrived, arrived, first * 160, pcm, speech, real)


def segments(script: str, *, stop_s: float = 0.2, overhang_s: float = 0.0, start: int = START):
    segmenter = SpeechSegmenter(stop_s=stop_s, overhang_s=overhang_s)
    found = []
    for i, frame in enumerate(script):
        found += [(i, change) for change in segmenter.hear(heard(start + i, frame))]
    return found


def test_three_of_four_frames_begin_speech_at_the_first_of_them() -> None:
    [(tick, started)] = segments("..x.xx")
    assert tick == 5
    assert started == SpeechStarted(pytest.approx(1.04), pytest.approx(1.04))


@pytest.mark.parametrize("script", ["x", "xx", "xx..xx", "x.x.x.x", "ooooo"])
def test_too_little_speech_and_concealed_frames_begin_nothing(script: str) -> None:
    assert segments(script) == []


def test_speech_ends_after_the_stop_window_at_its_last_frame() -> None:
    _, (tick, stopped) = segments("xxxxx" + "." * 20)
    assert tick == 4 + 10
    assert stopped == SpeechStopped(pytest.approx(1.10), pytest.approx(1.10), pytest.approx(0.1))


def test_overhang_moves_the_end_back_and_keeps_the_latency() -> None:
    _, (tick, stopped) = segments("xxxxxxxxxx" + "." * 20, overhang_s=0.1)
    assert tick == 9 + 5
    assert isinstance(stopped, SpeechStopped)
    assert stopped.heard_s == pytest.approx(1.10)
    assert stopped.voiced_s == pytest.approx(0.1)


def test_a_blip_does_not_extend_speech_but_two_frames_do() -> None:
    blip = segments("xxxx" + "....x" + "." * 20)
    assert blip[1][0] == 3 + 10
    back = segments("xxxx" + "....xx" + "." * 20)
    assert back[1][0] == 9 + 10
    assert len(back) == 2


def test_lost_frames_end_speech_only_when_three_come_in_a_row() -> None:
    assert len(segments("xxxx" + "--x" * 8)) == 1
    ended = segments("xxxx" + "-" * 12)
    assert ended[1][0] == 3 + 10


def test_the_first_moments_of_a_call_are_not_speech() -> None:
    assert segments("x" * 10, start=0) == []
    assert len(segments("x" * 13, start=0)) == 1


def test_a_batch_of_frames_is_the_same_as_one_by_one() -> None:
    script = "..xxx.xx......xxxxx" + "." * 15
    whole = SpeechSegmenter(stop_s=0.2, overhang_s=0.0).hear(heard(START, script))
    single = [change for _, change in segments(script)]
    assert [type(c) for c in whole] == [type(c) for c in single]
    for one, other in zip(whole, single, strict=True):
        assert one.heard_s == pytest.approx(other.heard_s)
        assert one.at == pytest.approx(other.at)


def test_clocks_are_mapped_by_the_last_packet() -> None:
    clock = HeardClock()
    clock.observe(heard(0, "..", at=100.0))
    assert clock.at(0.04) == pytest.approx(100.0)
    clock.observe(heard(2, ".", at=100.05))
    assert clock.heard_s(clock.at(1.5)) == pytest.approx(1.5)
    assert clock.at(0.06) == pytest.approx(100.05)
