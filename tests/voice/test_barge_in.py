"""Pause, stop or go on."""

import pytest

from aywa.providers.protocols import Transcript, Word
from aywa.voice.barge_in import BargeIn, Phrase, Verdict
from aywa.voice.phrases import words_of
from aywa.voice.settings import ACKNOWLEDGEMENT_PHRASES, INTERRUPTION_PHRASES, StopSpeakingPlan

SETTLE = 0.5


def judge(**plan: float) -> BargeIn:
    barge_in = BargeIn(StopSpeakingPlan(**plan), SETTLE)  # type: ignore[arg-type]
    barge_in.begin(10.0, 0)
    return barge_in


def says(barge_in: BargeIn, text: str, start: float = 10.5, *, final: bool = False) -> None:
    barge_in.hear(Transcript(text, final, start, start + 0.5))


@pytest.mark.parametrize("text", [*ACKNOWLEDGEMENT_PHRASES, "mhm", "Mhmmm.", "Yeah, okay. Sure!"])
def test_acknowledgements(text: str) -> None:
    assert judge().classify(words_of(text)) is Phrase.ACKNOWLEDGEMENT


@pytest.mark.parametrize("text", [*INTERRUPTION_PHRASES, "Yeah but", "Okay. Don't.", "no, sorry"])
def test_interruptions(text: str) -> None:
    assert judge().classify(words_of(text)) is Phrase.INTERRUPTION


@pytest.mark.parametrize("text", ["yeah I want Monday", "knot", "nobody", "understood everything"])
def test_other_words(text: str) -> None:
    assert judge().classify(words_of(text)) is Phrase.OTHER


def test_nothing_said_is_no_phrase() -> None:
    assert judge().classify(()) is Phrase.NONE


@pytest.mark.parametrize(("voice_s", "frames"), [(0.2, 10), (0.0, 1), (0.05, 3), (0.5, 25)])
def test_voice_alone_pauses_after_voice_s(voice_s: float, frames: int) -> None:
    barge_in = judge(voice_s=voice_s)
    assert barge_in.while_speaking(frames - 1) is Verdict.GO_ON
    assert barge_in.while_speaking(frames) is Verdict.PAUSE


def test_voice_from_before_the_overlap_does_not_count() -> None:
    barge_in = judge()
    barge_in.begin(20.0, 30)
    assert barge_in.while_speaking(39) is Verdict.GO_ON
    assert barge_in.while_speaking(40) is Verdict.PAUSE
    barge_in.quiet()
    assert barge_in.while_speaking(10) is Verdict.PAUSE


def test_a_noisy_line_is_ignored_until_it_is_quiet() -> None:
    barge_in = judge()
    barge_in.ignore_voice()
    assert barge_in.while_speaking(1000) is Verdict.GO_ON
    barge_in.quiet()
    assert barge_in.while_speaking(10) is Verdict.PAUSE


def test_an_interruption_phrase_stops_without_any_count() -> None:
    barge_in = judge(num_words=5)
    says(barge_in, "wait")
    assert barge_in.while_speaking(0) is Verdict.STOP


def test_words_before_the_assistant_was_audible_are_no_evidence() -> None:
    barge_in = judge()
    says(barge_in, "stop", start=9.0)
    assert barge_in.while_speaking(0) is Verdict.GO_ON
    timed = (Word("stop", 9.8, 9.9), Word("so", 10.1, 10.3))
    barge_in.hear(Transcript("stop so", False, 9.8, 10.3, words=timed))
    assert barge_in.words == ("so",)
    assert barge_in.while_speaking(0) is Verdict.GO_ON


def test_num_words_counts_words_over_finals_and_interims() -> None:
    barge_in = judge(num_words=3)
    says(barge_in, "one moment", final=True)
    assert barge_in.while_speaking(100) is Verdict.GO_ON
    says(barge_in, "please", start=11.2)
    assert barge_in.while_speaking(0) is Verdict.STOP


def test_num_words_of_acknowledgement_do_not_stop() -> None:
    barge_in = judge(num_words=2)
    says(barge_in, "yeah okay sure")
    assert barge_in.while_speaking(0) is Verdict.GO_ON


@pytest.mark.parametrize(("text", "stops"), [("mhm", False), ("Monday", True), ("", False)])
def test_what_stops_a_pause(text: str, stops: bool) -> None:
    barge_in = judge()
    says(barge_in, text)
    assert barge_in.stops_paused() is stops


def test_when_a_pause_ends() -> None:
    barge_in = judge()
    assert barge_in.resume_at(20.0, None, None) == pytest.approx(24.0)
    assert barge_in.resume_at(20.0, 20.3, None) == pytest.approx(20.3 + SETTLE + 0.7)
    assert barge_in.resume_at(20.0, 20.3, 20.7) == pytest.approx(20.7)
