"""Sentences, and a telephone line to hear them through."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from aywa.codecs import g711
from aywa.providers.offline.engines import (
    Engine,
    EngineMissing,
    Espeak,
    Flite,
    Rendered,
)
from aywa.providers.offline.recogniser import (
    available,
    pronouncing_dictionary,
    write_vocabulary,
)
from aywa.providers.offline.vocabulary import Vocabulary
from aywa.providers.protocols import Pcm

OnTheLine = Callable[[str], Pcm]


@dataclass(frozen=True, slots=True)
class Sentences:
    inside: list[str]
    outside: list[str]

    @property
    def phrases(self) -> list[str]:
        plain = [text for text in self.inside if "my number is" not in text]
        return [*plain, "my number is {digits}"]


@pytest.fixture(scope="session")
def sentences() -> Sentences:
    inside, outside = Path(__file__).with_name("sentences.txt").read_text().split("\n\n")

    def lines(part: str) -> list[str]:
        return [line for line in part.splitlines() if line[:1] not in ("", "#")]

    return Sentences(lines(inside), lines(outside))


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return Flite("rms")
    except EngineMissing:
        program = shutil.which("espeak-ng")
        if program is None:
            pytest.skip("needs libflite1 or espeak-ng")
        return Espeak(program)


@pytest.fixture(scope="session")
def on_the_line(engine: Engine) -> OnTheLine:
    def render(text: str) -> Pcm:
        quiet = np.zeros(2_400, np.int16)
        pcm = np.concatenate((quiet, engine.render(text).pcm, quiet))
        return g711.decode(g711.encode(pcm, "pcmu"), "pcmu")

    return render


@pytest.fixture(scope="session")
def vocabulary_folder(sentences: Sentences, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not available():
        pytest.skip("needs pocketsphinx")
    folder = tmp_path_factory.mktemp("vocabulary")
    write_vocabulary(Vocabulary.build(sentences.phrases, pronouncing_dictionary()), folder)
    return folder


class ToneEngine:
    """A synthesiser whose every clause lasts 100 ms; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def render(self, text: str) -> Rendered:
        self.asked.append(text)
        return Rendered(np.full(800, 1_000, np.int16))

    def describe(self) -> str:
        return "a tone"


@pytest.fixture
def tones() -> ToneEngine:
    return ToneEngine()
