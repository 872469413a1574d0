"""The real recogniser on real (synthetic) speech over a telephone line."""

from pathlib import Path

import numpy as np
import pytest

from aywa.providers.offline.listener import Listener, Recognisers
from aywa.providers.offline.recogniser import (
    Recogniser,
    pronouncing_dictionary,
    write_vocabulary,
)
from aywa.providers.offline.vocabulary import UNINTELLIGIBLE, Vocabulary
from aywa.providers.offline.words import distance
from aywa.providers.protocols import Pcm, Transcript

from .conftest import OnTheLine, Sentences


@pytest.fixture(scope="module")
def recognisers(vocabulary_folder: Path) -> Recognisers:
    found = Recognisers(keep=1)
    found.load(vocabulary_folder)
    return found


def heard(listener: Listener, pcm: Pcm) -> list[Transcript]:
    blocks = range(0, len(pcm), 160)
    return [t for i in blocks for t in listener.hear(pcm[i : i + 160], i)]


def test_sentences_of_the_script_are_understood_and_others_refused(
    recognisers: Recognisers,
    vocabulary_folder: Path,
    sentences: Sentences,
    on_the_line: OnTheLine,
) -> None:
    def final(text: str) -> str:
        listener = Listener(vocabulary_folder, recognisers, 0.7)
        heard(listener, on_the_line(text))
        return listener.finalize().text

    pairs = [(final(text).split(), text.split()) for text in sentences.inside]
    rate = sum(distance(*pair) for pair in pairs) / sum(len(text) for _, text in pairs)
    others = [final(text) for text in sentences.outside]
    false = sum(text not in ("", UNINTELLIGIBLE) for text in others) / len(others)
    print(f"word error rate {rate:.1%}, false accepts {false:.1%}")
    assert rate <= 0.20
    assert false <= 0.10
    assert others.count(UNINTELLIGIBLE) >= 0.8 * len(others)


def test_interims_come_while_speaking_and_a_final_after_silence(
    recognisers: Recognisers, vocabulary_folder: Path, on_the_line: OnTheLine
) -> None:
    listener = Listener(vocabulary_folder, recognisers, 0.7)
    pcm = on_the_line("what are your opening hours")
    found = heard(listener, np.concatenate((pcm, np.zeros(8_000, np.int16))))
    *interims, final = found
    assert len(interims) >= 3
    assert not any(transcript.final for transcript in interims)
    assert final.final
    assert final.text == "what are your opening hours"
    assert not final.from_finalize
    assert [word.text for word in final.words] == final.text.split()
    assert 0.2 < final.words[0].start_s < 0.6
    assert final.words[-1].end_s < len(pcm) / 8_000
    assert listener.finalize() == Transcript(
        "", True, *(2 * [(len(pcm) + 8_000) // 160 * 160 / 8_000]), from_finalize=True
    )


def test_noises_are_no_speech(recognisers: Recognisers, vocabulary_folder: Path) -> None:
    listener = Listener(vocabulary_folder, recognisers, 0.7)
    noise = np.random.default_rng(3).normal(0, 10, 32_000)
    noise[8_000:8_640] *= 500
    found = heard(listener, noise.astype(np.int16))
    assert not [transcript for transcript in found if transcript.final]
    assert listener.finalize().text == ""


def test_the_words_of_an_unknown_word_are_still_understood(
    tmp_path: Path, on_the_line: OnTheLine, vocabulary_folder: Path
) -> None:
    phrases = ["connect me to grobnick", "good morning"]
    vocabulary = Vocabulary.build(phrases, pronouncing_dictionary())
    write_vocabulary(vocabulary, tmp_path)
    recogniser = Recogniser(tmp_path)
    recogniser.begin(0)
    recogniser.feed(on_the_line("connect me to grobnick"))
    assert recogniser.finish().text == "connect me to grobnick"
