import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.offline.pronunciation import (
    from_dictionary,
    phones_of_ipa,
    phones_of_letters,
    pronounce,
)
from aywa.providers.offline.vocabulary import (
    MAX_PHRASES,
    UNINTELLIGIBLE,
    Vocabulary,
    VocabularyError,
    collapsed,
)

DICTIONARY = "book B UH K\nbook(2) B UW K\nyes Y EH S\nno N OW\n"
ARPABET = {
    *("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH"),
    *("T", "TH", "V", "W", "Y", "Z", "ZH"),
}


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "words.dict"
    path.write_text(DICTIONARY)
    return path


def spelled(word: str) -> None:
    """No espeak-ng: words are guessed from their letters."""


@pytest.fixture
def vocabulary(dictionary: Path) -> Vocabulary:
    return Vocabulary.build(
        ["book a table", "my number is {digits}", "café olé"], dictionary, spelled
    )


def test_phrases_that_cannot_be_written_are_left_out_and_told(vocabulary: Vocabulary) -> None:
    assert vocabulary.left_out == ("café olé",)
    assert ("book", "a", "table") in vocabulary.phrases
    assert ("yes",) in vocabulary.phrases


def test_too_many_phrases_are_refused(dictionary: Path) -> None:
    with pytest.raises(VocabularyError, match="phrases"):
        Vocabulary.build((f"phrase {n}" for n in range(MAX_PHRASES + 1)), dictionary)


def test_the_grammar_repeats_digits(vocabulary: Vocabulary) -> None:
    assert "my number is <digit>+" in vocabulary.grammar()
    assert "<digit> = zero | oh | one" in vocabulary.grammar()


def test_the_dictionary_keeps_variants(vocabulary: Vocabulary) -> None:
    assert "book B UH K\nbook(2) B UW K\n" in vocabulary.dictionary()


def test_the_trigram_model_is_a_probability_distribution(vocabulary: Vocabulary) -> None:
    sections = re.split(r"\\\d-grams:\n", vocabulary.trigrams())
    counts = [int(n) for n in re.findall(r"ngram \d=(\d+)", sections[0])]
    rows = [
        [line.split() for line in section.splitlines() if line[:1] not in ("", "\\")]
        for section in sections[1:]
    ]
    assert [len(table) for table in rows] == counts
    single = sum(10 ** float(row[0]) for row in rows[0] if row[1] != "<s>")
    assert math.isclose(single, 1.0, rel_tol=0.01)
    after_start = sum(10 ** float(row[0]) for row in rows[1] if row[1] == "<s>")
    assert math.isclose(after_start, 0.9, rel_tol=0.01)


@pytest.mark.parametrize(
    ("strict", "free", "text"),
    [
        ("book a table", "book a table", "book a table"),
        ("book a table", "took a maple", "book a table"),
        ("book a table", "nothing of the sort", UNINTELLIGIBLE),
        ("book a", "book a", "book a table"),
        ("", "look a table", "book a table"),
        ("", "", ""),
        ("yes", "", ""),
        ("my number is one two", "my number is one two", "my number is one two"),
        ("book a table", "my number is four two", "my number is four two"),
        ("yes", "my number is", UNINTELLIGIBLE),
    ],
)
def test_a_phrase_counts_where_both_heard_it(
    vocabulary: Vocabulary, strict: str, free: str, text: str
) -> None:
    assert vocabulary.understand(strict, free)[0] == text


@given(st.lists(st.sampled_from(["book", "a", "one", "yes", "is", "my"]), max_size=6))
def test_anything_heard_is_a_phrase_or_nothing(heard: list[str]) -> None:
    vocabulary = Vocabulary((("book", "a"), ("my", "{digits}"), ("yes",)), {}, ())
    text, confidence = vocabulary.understand("yes", " ".join(heard))
    assert 0.0 <= confidence <= 1.0
    assert text in ("", UNINTELLIGIBLE) or vocabulary.contains(tuple(text.split()))


def test_runs_of_digits_collapse() -> None:
    assert collapsed(["is", "one", "two", "or", "three"]) == ("is", "{digits}", "or", "{digits}")


def test_the_dictionary_is_searched_for_wanted_words_only(dictionary: Path) -> None:
    assert from_dictionary(dictionary, ["book", "x"]) == {"book": ("B UH K", "B UW K")}


def test_unknown_words_sound_as_espeak_says_or_as_they_are_spelled(dictionary: Path) -> None:
    sounds = pronounce(["yes", "aywa", "quick"], dictionary, {"aywa": "ˈeɪwə"}.get)
    assert sounds == {"yes": ("Y EH S",), "aywa": ("EY W AH",), "quick": ("K W IH K",)}


@given(st.text(max_size=30))
def test_guessed_sounds_are_phonemes_of_the_model(text: str) -> None:
    assert set(phones_of_ipa(text).split()) <= ARPABET
    assert set(phones_of_letters(text).split()) <= ARPABET
