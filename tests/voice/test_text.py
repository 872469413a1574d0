"""Tokens to pieces that are spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.voice.text import LIMIT_CHARACTERS, Chunker, speakable


def pieces(text: str, step: int = 1) -> list[str]:
    """Feed a text in small tokens."""
    chunker = Chunker()
    found = []
    for i in range(0, len(text), step):
        found += chunker.feed(text[i : i + step], i * 0.001)
    return found + chunker.finish()


def test_first_clause_then_sentences() -> None:
    text = "Well, of course I can do that, sir. It costs little, you see. Shall I?"
    assert pieces(text) == [
        "Well, of course I can do that,",
        "sir.",
        "It costs little, you see.",
        "Shall I?",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "Please ask Mr. Smith and Dr. Jones about it.",
        "Bring a pen, paper, etc. with you to the room please.".replace(", ", " "),
        "It costs 3.50 or 1,000.25 dollars at 10:30 a.m. on Monday.",
        "Write to jane.doe@example.com or see www.example.com today.",
        "My friend J. R. Hartley wrote that little book.",
        "Call 555. 1234 or whatever number they gave you.",
        "We open at e.g. nine or i.e. very early.",
    ],
)
def test_never_cut_inside(sentence: str) -> None:
    follow = "The next one is short."
    assert pieces(f"{sentence} {follow}") == [sentence, follow]


def test_a_full_stop_waits_for_what_follows() -> None:
    chunker = Chunker()
    assert chunker.feed("This is quite enough.", 0.0) == []
    assert chunker.feed(" ", 0.1) == []
    assert chunker.feed("N", 0.2) == ["This is quite enough."]


def test_digits_apart_by_commas_stay_together() -> None:
    assert pieces("Your number is one of 1, 2, 3 here.") == ["Your number is one of 1, 2, 3 here."]


def test_a_stall_lets_whole_words_go() -> None:
    chunker = Chunker()
    assert chunker.feed("this text has as yet no punctuation at al", 1.0) == []
    assert chunker.due == pytest.approx(1.15)
    assert chunker.stalled(1.1) == []
    assert chunker.stalled(1.15) == ["this text has as yet no punctuation at"]
    assert chunker.due == float("inf")
    assert chunker.feed("l. Fine", 1.2) == ["al l.".replace(" ", "")]


def test_a_stall_of_few_words_waits() -> None:
    chunker = Chunker()
    chunker.feed("only some words", 1.0)
    assert chunker.due == float("inf")


def test_long_text_is_cut_at_a_space() -> None:
    found = pieces("word " * 200)
    assert max(len(piece) for piece in found) <= LIMIT_CHARACTERS
    assert " ".join(found).split() == ["word"] * 200


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and *soft* and `code`", "Bold and soft and code"),
        ("# Heading\n- one\n- two", "Heading one two"),
        ("see [our page](https://example.com)", "see our page"),
        ("<speak>Hi<break time='1s'/> there</speak>", "Hi there"),
        ("Nice 😀 to meet you 👍🏽", "Nice to meet you"),
        ("snake_case stays, _this_ goes", "snake_case stays, this goes"),
        ("5 < 6 and 20°", "5 < 6 and 20°"),
    ],
)
def test_markup_is_not_spoken(written: str, said: str) -> None:
    assert speakable(written) == said


def test_pieces_without_words_are_dropped() -> None:
    assert pieces("... *** --- 😀") == []


@given(st.text(alphabet="ab .,!?\n1*", max_size=400), st.integers(1, 7))
def test_no_word_is_lost_or_doubled(text: str, step: int) -> None:
    kept = [c for c in text if c.isalnum()]
    assert [c for piece in pieces(text, step) for c in piece if c.isalnum()] == kept


@given(st.text(max_size=300), st.lists(st.floats(0, 1), max_size=5))
def test_any_text_is_taken_and_a_stall_ends(text: str, _: list[float]) -> None:
    chunker = Chunker()
    chunker.feed(text, 0.0)
    chunker.stalled(1.0)
    chunker.stalled(2.0)
    assert chunker.due == float("inf")
    assert all(len(piece) <= LIMIT_CHARACTERS for piece in chunker.finish())
