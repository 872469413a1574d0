"""Words as they are compared: lower case, no punctuation; and the phrases among them."""

import re
from collections.abc import Iterable, Sequence

from ..providers.protocols import Transcript

_SILENT = re.compile(r"['’]")
_NOT_WORD = re.compile(r"[\W_]+")
_RUN = re.compile(r"(.)\1+")


def words_of(text: str) -> tuple[str, ...]:
    """The comparable words of a text: `I'm fine, uh-huh.` → `im fine uh huh`."""
    return tuple(_NOT_WORD.sub(" ", _SILENT.sub("", text.lower())).split())


def drawn_in(word: str) -> str:
    """A word without its drawn-out letters, as hums are written in many lengths: mhmm → mhm."""
    return _RUN.sub(r"\1", word)


def contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether `phrase` occurs in `words` at word boundaries."""
    size = len(phrase)
    return size > 0 and any(
        tuple(words[i : i + size]) == tuple(phrase) for i in range(len(words) - size + 1)
    )


def composed_of(words: Sequence[str], phrases: Iterable[Sequence[str]]) -> bool:
    """Whether `words` are nothing but `phrases` one after another (and at least one)."""
    known = [tuple(phrase) for phrase in phrases if phrase]
    reachable = {0}
    for start in range(len(words)):
        if start in reachable:
            reachable |= {
                start + len(phrase)
                for phrase in known
                if tuple(words[start : start + len(phrase)]) == phrase
            }
    return len(words) > 0 and len(words) in reachable


def words_since(transcript: Transcript, heard_s: float) -> tuple[str, ...]:
    """The comparable words of a transcript that began at media time `heard_s` or later.

    Where the transcriber gives no times, words are spread evenly over the transcript's span.
    """
    if transcript.words:
        return tuple(
            part
            for word in transcript.words
            if word.start_s >= heard_s
            for part in words_of(word.text)
        )
    words = words_of(transcript.text)
    step = (transcript.end_s - transcript.start_s) / max(1, len(words))
    return tuple(word for i, word in enumerate(words) if transcript.start_s + i * step >= heard_s)


def spoken_until_s(transcript: Transcript) -> float:
    """Media time at which the transcript's last word ends."""
    return transcript.words[-1].end_s if transcript.words else transcript.end_s
