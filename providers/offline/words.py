"""Words as they are compared, and how alike two sequences of them are. Knows no script."""

import re
from collections.abc import Sequence

DIGIT_WORDS = {
    "zero": "0",
    "oh": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
"""How digits are spoken one by one."""

SPOKEN_DIGITS = {digit: word for word, digit in DIGIT_WORDS.items() if word != "oh"}

_NOT_WORD = re.compile(r"[^\w']+|_")


def words_of(text: str) -> tuple[str, ...]:
    """Lower-case words without punctuation; digits become words: `Is it 4?` → `is it four`."""
    spaced = re.sub(
        r"([0-9])", lambda m: f" {SPOKEN_DIGITS[m[1]]} ", text.lower().replace("’", "'")
    )
    words = (word.strip("'") for word in _NOT_WORD.sub(" ", spaced).split())
    return tuple(word for word in words if word)


def distance(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words must be inserted, removed or replaced to turn one into the other."""
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            replaced = diagonal + (word != other)
            diagonal, row[j] = row[j], min(replaced, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def similarity(left: Sequence[str], right: Sequence[str]) -> float:
    """1 for the same words in the same order, 0 for nothing in common."""
    longest = max(len(left), len(right))
    return 1.0 - distance(left, right) / longest if longest else 0.0
