"""How words sound, in the recogniser's phonemes (ARPABET): dictionary, espeak-ng, letter rules."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Pronunciations = dict[str, tuple[str, ...]]  # word → one or more lines of phonemes

ESPEAK_TIMEOUT_S = 5.0

_IPA = {
    "tʃ": "CH", "dʒ": "JH", "aɪə": "AY ER", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW",
    "ɔɪ": "OY", "əl": "AH L", "ɪɹ": "IH R", "ɛɹ": "EH R", "ɔːɹ": "AO R", "ɑːɹ": "AA R",
    "ʊɹ": "UH R", "iə": "IY AH", "ɑː": "AA", "ɔː": "AO", "iː": "IY", "uː": "UW", "ɜː": "ER",
    "oː": "AO", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɚ": "ER", "ɛ": "EH", "ɪ": "IH",
    "i": "IY", "ʊ": "UH", "u": "UW", "ɑ": "AA", "ɔ": "AO", "a": "AE", "e": "EY", "o": "OW",
    "ᵻ": "IH", "b": "B", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "k": "K",
    "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH",
    "t": "T", "ɾ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH", "x": "K",
}  # fmt: skip

_LETTERS = {
    "tion": "SH AH N", "igh": "AY", "sch": "SH", "ch": "CH", "sh": "SH", "th": "TH", "ph": "F",
    "ck": "K", "ng": "NG", "qu": "K W", "wh": "W", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW",
    "ow": "OW", "ai": "EY", "ay": "EY", "oi": "OY", "oy": "OY", "au": "AO", "aw": "AO", "er": "ER",
    "ar": "AA R", "or": "AO R", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F",
    "g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA",
    "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S",
    "y": "IY", "z": "Z", "'": "",
}  # fmt: skip


def _scanner(table: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, table), key=len, reverse=True)))


_IPA_SCANNER, _LETTER_SCANNER = _scanner(_IPA), _scanner(_LETTERS)
_DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1")
_VARIANT = re.compile(r"\(\d+\)$")


def from_dictionary(path: Path, wanted: Iterable[str]) -> Pronunciations:
    """The entries of a CMU dictionary file for the wanted words, with their variants."""
    missing, found = set(wanted), dict[str, tuple[str, ...]]()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry, _, phones = line.strip().partition(" ")
            word = _VARIANT.sub("", entry)
            if word in missing and phones:
                found[word] = (*found.get(word, ()), phones)
    return found


def espeak_ipa(word: str) -> str | None:
    """The word in IPA as espeak-ng says it, or None where it is not installed or fails."""
    program = shutil.which("espeak-ng")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a found program and one argument, no shell
            [program, "-q", "--ipa", "-v", "en-us", "--", word],
            capture_output=True,
            timeout=ESPEAK_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip() or None


def phones_of_ipa(ipa: str) -> str:
    """IPA as ARPABET phonemes; marks that have none are left out."""
    return " ".join(_IPA[match[0]] for match in _IPA_SCANNER.finditer(ipa))


def phones_of_letters(word: str) -> str:
    """A guess by English spelling rules; empty where no letter is known."""
    spelled = _DOUBLED.sub(r"\1", word.lower())
    if len(spelled) > 3 and spelled.endswith("e") and spelled[-2] not in "aeiou":
        spelled = spelled[:-1]
    phones = (_LETTERS[match[0]] for match in _LETTER_SCANNER.finditer(spelled))
    return " ".join(phone for phone in phones if phone)


def pronounce(
    words: Iterable[str],
    dictionary: Path,
    ipa_of: Callable[[str], str | None] = espeak_ipa,
) -> Pronunciations:
    """How every word sounds; words that no way can tell are absent."""
    wanted = sorted(set(words))
    found = from_dictionary(dictionary, wanted)
    for word in wanted:
        if word not in found:
            ipa = ipa_of(word)
            phones = (phones_of_ipa(ipa) if ipa else "") or phones_of_letters(word)
            if phones:
                found[word] = (phones,)
    return found
