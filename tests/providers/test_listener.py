"""When a listener takes a recogniser, and what it hands on, with a recogniser that always hears."""

from pathlib import Path
from typing import cast

import numpy as np

from aywa.providers.offline.listener import MAX_UTTERANCE_FRAMES, Listener, Recognisers
from aywa.providers.offline.recogniser import TELEPHONE, Recogniser
from aywa.providers.protocols import Pcm, Transcript

QUIET = np.zeros(8_000, np.int16)


class Parrot:
    """Hears `yes` in everything; remembers where utterances began and how long they were."""

    def __init__(self) -> None:
        self.began: list[tuple[int, str]] = []
        self.samples = 0
        self.line = "learnt"

    def begin(self, position: int, line: str) -> None:
        self.began.append((position, line))

    def feed(self, pcm: Pcm) -> None:
        self.samples += len(pcm)

    def finish(self) -> Transcript:
        return Transcript("yes", True, 0.0, 1.0)


def noise(samples: int) -> Pcm:
    return np.random.default_rng(1).normal(0, 3_000, samples).astype(np.int16)


def listener(parrot: Parrot) -> Listener:
    recognisers = Recognisers(keep=1, make=lambda _: cast(Recogniser, parrot))
    return Listener(Path(), recognisers, 0.4)


def test_a_short_noise_is_not_handed_on() -> None:
    parrot = Parrot()
    heard = list(listener(parrot).hear(np.concatenate((QUIET, noise(800), QUIET)), 0))
    assert len(parrot.began) == 1
    assert heard == []


def test_an_utterance_has_its_pre_roll_and_teaches_the_line() -> None:
    parrot = Parrot()
    ears = listener(parrot)
    once = np.concatenate((QUIET, noise(8_000), QUIET))
    heard = [*ears.hear(once, 0), *ears.hear(once, len(once))]
    assert [transcript.text for transcript in heard] == ["yes", "yes"]
    (first, line), (second, learnt) = parrot.began
    assert 8_000 - 15 * 160 <= first < 8_000
    assert second == first + len(once)
    assert (line, learnt) == (TELEPHONE, "learnt")


def test_endless_speech_is_cut() -> None:
    parrot = Parrot()
    pcm = np.concatenate((QUIET, noise((MAX_UTTERANCE_FRAMES + 10) * 160)))
    assert len(list(listener(parrot).hear(pcm, 0))) == 1
    assert len(parrot.began) == 2


def test_odd_sized_pieces_lose_no_sample() -> None:
    parrot = Parrot()
    ears = listener(parrot)
    pcm = np.concatenate((QUIET, noise(8_000)))
    for start in range(0, len(pcm), 333):
        list(ears.hear(pcm[start : start + 333], start))
    assert ears.finalize().from_finalize
    assert parrot.samples == len(pcm) - parrot.began[0][0]
