"""What the recogniser can understand: the phrases of a script, digits, yes and no.

Two recognisers hear the same audio. One knows whole phrases only (a grammar): it hears them well,
and forces one upon whatever is said. The other knows the phrases as a trigram model among a few
hundred common words: it hears worse, and is free to hear something else. A phrase counts as
understood where the two agree enough. Measured, that keeps the grammar's accuracy and rejects
nearly everything that is not in the script. Knows no audio.
"""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ...base.errors import AywaError
from .pronunciation import Pronunciations, espeak_ipa, pronounce
from .script import SLOT
from .words import DIGIT_WORDS, similarity, words_of

UNINTELLIGIBLE = "[unintelligible]"
"""The text of speech that is none of the phrases."""

ALWAYS = ("yes", "no", SLOT)
AGREEMENT = 0.25  # least likeness of what the two heard, to believe the grammar
NEAR = 0.6  # least likeness of the freely heard words and a phrase, to take the phrase
MAX_PHRASES = 2_000
COMMON_WORDS = "common_words.json"

COMMON_MASS = 0.5  # share of the single-word probability that all common words have together
DISCOUNT = 0.1  # share of a history's probability left for words never seen after it
PHRASE_WEIGHT = 100  # weight of a phrase beside one pair of digits

_WORD = re.compile(r"[a-z][a-z']*")

Words = tuple[str, ...]


class VocabularyError(AywaError):
    """No vocabulary can be made of these phrases."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The phrases as word sequences, how their words sound, and what had to be left out."""

    phrases: tuple[Words, ...]
    pronunciations: Pronunciations
    common: Words
    left_out: tuple[str, ...] = ()
    """Phrases with a word that cannot be written or pronounced in US English."""

    @classmethod
    def build(
        cls,
        phrases: Iterable[str],
        dictionary: Path,
        ipa_of: Callable[[str], str | None] = espeak_ipa,
    ) -> "Vocabulary":
        """Prepare phrases; blocks for a moment. Raises VocabularyError, OSError."""
        texts = tuple(dict.fromkeys((*phrases, *ALWAYS)))
        if len(texts) > MAX_PHRASES:
            raise VocabularyError(f"{len(texts)} phrases; the recogniser takes {MAX_PHRASES}.")
        common = tuple(json.loads(files(__package__).joinpath(COMMON_WORDS).read_text("utf-8")))
        split = {text: phrase_words(text) for text in texts}
        wanted = {word for words in split.values() for word in words if _WORD.fullmatch(word)}
        sounds = pronounce(wanted.union(common, DIGIT_WORDS), dictionary, ipa_of)
        kept = {
            text: words
            for text, words in split.items()
            if words and all(word == SLOT or word in sounds for word in words)
        }
        return cls(
            phrases=tuple(dict.fromkeys(kept.values())),
            pronunciations=sounds,
            common=tuple(word for word in common if word in sounds),
            left_out=tuple(text for text in texts if text not in kept),
        )

    def grammar(self) -> str:
        """The phrases as a JSGF grammar."""
        rules = " | ".join(
            " ".join("<digit>+" if word == SLOT else word for word in phrase)
            for phrase in self.phrases
        )
        digits = " | ".join(DIGIT_WORDS)
        return f"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {rules};\n<digit> = {digits};\n"

    def dictionary(self) -> str:
        """The pronunciations as a CMU dictionary."""
        lines = []
        for word in sorted(self.pronunciations):
            for i, phones in enumerate(self.pronunciations[word], 1):
                lines.append(f"{word} {phones}" if i == 1 else f"{word}({i}) {phones}")
        return "\n".join(lines) + "\n"

    def trigrams(self) -> str:
        """The phrases among common words as a trigram model in ARPA format."""
        return _arpa(_weighted(self.phrases), self.common)

    def contains(self, words: Words) -> bool:
        """Whether the words are one whole phrase."""
        return words in self.phrases or collapsed(words) in self.phrases

    def understand(self, by_grammar: str, freely: str) -> tuple[str, float]:
        """The text to believe, and how much from 0 to 1, from what the two recognisers heard.

        The text is empty where there was no speech, `UNINTELLIGIBLE` where it was no phrase.
        """
        strict, free = tuple(by_grammar.split()), tuple(freely.split())
        agreement = similarity(strict, free)
        if self.contains(strict) and agreement >= AGREEMENT:
            return by_grammar, agreement
        if not free:
            return "", 0.0
        short = collapsed(free)
        best = max(self.phrases, key=lambda phrase: similarity(short, phrase))
        score = similarity(short, best)
        if score < NEAR or (SLOT in best) != (SLOT in short):
            return UNINTELLIGIBLE, score
        digits = " ".join(word for word in free if word in DIGIT_WORDS)
        return " ".join(digits if word == SLOT else word for word in best), score


def phrase_words(phrase: str) -> Words:
    """The words of a phrase of a script, its slot as one word."""
    before, slot, after = phrase.partition(SLOT)
    return (*words_of(before), *((SLOT,) if slot else ()), *words_of(after))


def collapsed(words: Sequence[str]) -> Words:
    """The words with every run of digits as one slot."""
    short: list[str] = []
    for word in words:
        entry = SLOT if word in DIGIT_WORDS else word
        if entry != SLOT or not short or short[-1] != SLOT:
            short.append(entry)
    return tuple(short)


def _weighted(phrases: Iterable[Words]) -> Counter[Words]:
    """Sentences and how often they count; a slot stands for pairs of digits."""
    sentences: Counter[Words] = Counter()
    for phrase in phrases:
        if SLOT not in phrase:
            sentences[phrase] += PHRASE_WEIGHT
            continue
        at = phrase.index(SLOT)
        for first in DIGIT_WORDS:
            for second in DIGIT_WORDS:
                pair = (first, second, first)
                sentences[*phrase[:at], *pair, *phrase[at + 1 :]] += 1
    return sentences


def _arpa(sentences: Counter[Words], common: Words) -> str:
    counts: list[defaultdict[Words, Counter[str]]] = [defaultdict(Counter) for _ in range(3)]
    for sentence, weight in sentences.items():
        line = ("<s>", *sentence, "</s>")
        for order in range(3):
            for i in range(max(1, order), len(line)):
                counts[order][line[i - order : i]][line[i]] += weight
    single = _single(counts[0][()], common)
    tables: list[dict[Words, float]] = [{(word,): p for word, p in single.items()}]
    tables += [_followers(counts[order]) for order in (1, 2)]
    tables[0]["<s>",] = 1e-99
    return _written(tables, counts)


def _followers(counts: Mapping[Words, Counter[str]]) -> dict[Words, float]:
    return {
        (*history, word): (1 - DISCOUNT) * count / seen.total()
        for history, seen in counts.items()
        for word, count in seen.items()
    }


def _single(seen: Counter[str], common: Words) -> dict[str, float]:
    total = seen.total()
    single = {word: (1 - COMMON_MASS) * count / total for word, count in seen.items()}
    for word in common:
        single[word] = single.get(word, 0.0) + COMMON_MASS / len(common)
    return single


def _written(
    tables: list[dict[Words, float]], counts: list[defaultdict[Words, Counter[str]]]
) -> str:
    lines = ["\\data\\", *(f"ngram {n}={len(table)}" for n, table in enumerate(tables, 1))]
    for n, table in enumerate(tables, 1):
        lines += ["", f"\\{n}-grams:"]
        for words in sorted(table):
            line = f"{_log(table[words])} {' '.join(words)}"
            after = counts[n][words] if n < 3 and words in counts[n] else None
            if after:
                taken = sum(tables[n - 1].get((*words[1:], word), 0.0) for word in after)
                line += f" {_log(DISCOUNT / max(1e-6, 1 - taken))}"
            elif n < 3:
                line += " 0.0"
            lines.append(line)
    return "\n".join([*lines, "", "\\end\\", ""])


def _log(probability: float) -> str:
    return f"{max(math.log10(probability), -99.0):.4f}"
