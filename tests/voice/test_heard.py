"""Which words left the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.protocols import Word
from aywa.simulation.tones import WordTones
from aywa.voice.heard import HeardLedger

TEXT = "one two three four five"
TONES = WordTones()
WORD = TONES.word_samples


def ledger(text: str = TEXT, *, timed: bool = True, complete: bool = True) -> HeardLedger:
    heard = HeardLedger()
    heard.begin_unit(text)
    pcm, words = TONES.say(text)
    heard.add_audio(pcm, words if timed else ())
    if complete:
        heard.end_unit()
    return heard


def test_nothing_sent_is_nothing_heard() -> None:
    assert ledger().heard(0) == ""
    assert HeardLedger().heard(1_000) == ""


@pytest.mark.parametrize("count", range(6))
def test_exact_words_at_their_borders(count: int) -> None:
    assert ledger().heard(count * WORD).split() == TEXT.split()[:count]


def test_half_a_word_counts_and_less_does_not() -> None:
    middle = WORD + (WORD - 160) // 2
    assert ledger().heard(middle) == "one two"
    assert ledger().heard(middle - 1) == "one"


def test_the_text_keeps_its_own_spelling() -> None:
    heard = HeardLedger()
    heard.begin_unit("It is 5 p.m.")
    said = ("it", "is", "five", "pm")
    words = tuple(Word(word, i * 0.1, i * 0.1 + 0.1) for i, word in enumerate(said))
    heard.add_audio(np.ones(3200, np.int16), words)
    assert heard.heard(3200) == "It is 5 p.m."


def test_a_second_unit_lies_behind_the_first() -> None:
    heard = ledger("one two")
    heard.begin_unit("three four")
    pcm, words = TONES.say("three four")
    heard.add_audio(pcm, words)
    assert heard.samples == 4 * WORD
    assert heard.heard(3 * WORD) == "one two three"


@given(cut=st.integers(0, 5 * WORD))
def test_estimated_words_are_within_one_of_the_exact_ones(cut: int) -> None:
    exact = len(ledger().heard(cut).split())
    estimated = len(ledger(timed=False).heard(cut).split())
    assert abs(exact - estimated) <= 1


def test_estimate_skips_silence_around_and_between_the_words() -> None:
    heard = HeardLedger()
    heard.begin_unit("alpha omega")
    loud, still = np.full(4_000, 5_000, np.int16), np.zeros(8_000, np.int16)
    heard.add_audio(np.concatenate([still, loud, still, loud, still]))
    heard.end_unit()
    assert heard.heard(8_000) == ""
    assert heard.heard(8_000 + 4_000) == "alpha"
    assert heard.heard(20_000) == "alpha"
    assert heard.heard(24_000) == "alpha omega"


def test_while_audio_is_coming_the_usual_rate_is_assumed() -> None:
    growing = HeardLedger()
    growing.begin_unit("a very long sentence whose end has not been synthesised so far")
    growing.add_audio(np.full(4_000, 5_000, np.int16))
    assert growing.heard(4_000) == "a very"


@given(cuts=st.lists(st.integers(0, 6 * WORD), min_size=2, max_size=2), timed=st.booleans())
def test_more_samples_never_take_words_away(cuts: list[int], timed: bool) -> None:
    fewer, more = sorted(cuts)
    heard = ledger(timed=timed)
    assert heard.heard(more).startswith(heard.heard(fewer))


def test_provider_words_beyond_the_timed_ones_are_estimated() -> None:
    heard = HeardLedger()
    heard.begin_unit(TEXT)
    pcm, words = TONES.say(TEXT)
    heard.add_audio(pcm, words[:2])
    heard.end_unit()
    assert heard.heard(2 * WORD) == "one two"
    assert heard.heard(len(pcm)) == TEXT


def test_a_cut_goes_back_to_the_beginning_of_its_word() -> None:
    assert ledger().word_start(WORD + 700) == WORD
    assert ledger().word_start(2 * WORD) == 2 * WORD
    assert ledger().word_start(2 * WORD - 80) == 2 * WORD - 80  # in the silence between words


def test_words_that_never_got_a_sound_are_not_heard() -> None:
    pcm, words = TONES.say(TEXT)
    for timed in (words[:2], ()):
        failed = HeardLedger()
        failed.begin_unit("one two three four five and a good many more")
        failed.add_audio(pcm[: 2 * WORD], timed)
        assert failed.heard(2 * WORD).split()[:2] == ["one", "two"]
        assert "more" not in failed.heard(2 * WORD)


def test_silent_audio_is_not_heard() -> None:
    silent = HeardLedger()
    silent.begin_unit(TEXT)
    silent.add_audio(np.zeros(16_000, np.int16))
    silent.end_unit()
    assert silent.heard(16_000) == ""
