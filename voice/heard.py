"""What the caller really heard: the words whose audio left the line.

One ledger belongs to one generation. It knows every unit of text and where its audio lies in the
generation's samples. The line says how many samples left; the ledger says which words those were:
exactly where the synthesiser timed its words, else by estimate, spreading the words over the
*voiced* samples of their unit by their letters. A word was heard when at least half of it left.
"""

from dataclasses import dataclass, field

import numpy as np

from ..providers.protocols import SAMPLE_RATE, Pcm, Word
from .timing import FRAME_SAMPLES

VOICED_LEVEL = 100  # mean |sample| of a frame that carries voice; about -50 dBFS
PAUSE_FRAMES = 6  # unvoiced stretches up to this length (120 ms) belong to the words around them
SAMPLES_PER_LETTER = SAMPLE_RATE // 15  # speaking rate where nothing better is known


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word and its place in the generation, in samples."""

    text: str
    start: int
    end: int


@dataclass(slots=True)
class _Unit:
    text: str
    start: int
    samples: int = 0
    complete: bool = False
    timed: list[Word] = field(default_factory=list)
    pieces: list[Pcm] = field(default_factory=list)


class HeardLedger:
    """Text and audio of one generation, in the order of playing."""

    def __init__(self) -> None:
        self.samples = 0
        """Audio received so far."""
        self._units: list[_Unit] = []

    def begin_unit(self, text: str) -> None:
        """The next audio belongs to `text`."""
        self._units.append(_Unit(text, self.samples))

    def add_audio(self, pcm: Pcm, words: tuple[Word, ...] = ()) -> None:
        """Append audio of the present unit; `words` are timed from the unit's first sample."""
        unit = self._units[-1]
        unit.timed.extend(words)
        unit.pieces.append(pcm)
        unit.samples += len(pcm)
        self.samples += len(pcm)

    def end_unit(self) -> None:
        """The present unit's audio is complete."""
        if self._units:
            self._units[-1].complete = True

    def heard(self, samples: int) -> str:
        """The words of which at least half lies in the first `samples` samples."""
        return " ".join(
            word.text
            for unit in self._units
            for word in _words(unit)
            if word.start + word.end <= 2 * samples
        )

    def word_start(self, samples: int) -> int:
        """Where the word that is cut by position `samples` begins; `samples` between words."""
        for unit in self._units:
            if unit.start < samples <= unit.start + unit.samples:
                for word in _words(unit):
                    if word.start < samples < word.end:
                        return max(word.start, unit.start)
        return samples


def _words(unit: _Unit) -> list[SpokenWord]:
    exact = [
        SpokenWord(
            word.text,
            unit.start + round(word.start_s * SAMPLE_RATE),
            unit.start + round(word.end_s * SAMPLE_RATE),
        )
        for word in unit.timed
    ]
    tokens = unit.text.split()
    if exact and len(exact) <= len(tokens):
        # The text's own spelling, which the provider may have changed.
        exact = [
            SpokenWord(token, word.start, word.end)
            for token, word in zip(tokens, exact, strict=False)
        ]
        tokens = tokens[len(exact) :]
    elif exact:
        tokens = []
    after = exact[-1].end if exact else unit.start
    return exact + _estimated(unit, tokens, after)


def _estimated(unit: _Unit, tokens: list[str], after: int) -> list[SpokenWord]:
    """Spread `tokens` over the unit's voiced samples from position `after` on."""
    if not tokens:
        return []
    voiced = _voiced_frames(unit, after)
    weights = np.array([len(token) + 1 for token in tokens], dtype=np.float64)
    spoken = len(voiced) * FRAME_SAMPLES
    # While audio is still coming, its whole length is unknown: take the usual rate. So too for a
    # unit without any voice, whose words then lie where no sample will ever be.
    known = unit.complete and spoken > 0
    per_letter = spoken / weights.sum() if known else SAMPLES_PER_LETTER
    bounds = np.concatenate(([0.0], np.cumsum(weights * per_letter)))
    return [
        SpokenWord(token, _place(start, voiced, unit), _place(end - 1, voiced, unit) + 1)
        for token, start, end in zip(tokens, bounds, bounds[1:], strict=False)
    ]


def _voiced_frames(unit: _Unit, after: int) -> list[int]:
    """Start positions of the unit's frames that carry words, from `after` on."""
    pcm = np.concatenate(unit.pieces) if unit.pieces else np.zeros(0, np.int16)
    skip = min(len(pcm), after - unit.start)
    pcm = pcm[skip:]
    count = -(-len(pcm) // FRAME_SAMPLES)
    padded = np.zeros(count * FRAME_SAMPLES, np.float64)
    padded[: len(pcm)] = pcm
    loud = np.abs(padded).reshape(count, FRAME_SAMPLES).mean(axis=1) >= VOICED_LEVEL
    kept: list[int] = []
    voiced = np.flatnonzero(loud)
    for index, frame in enumerate(voiced):
        gap = int(frame - voiced[index - 1] - 1) if index else 0
        if 0 < gap <= PAUSE_FRAMES:
            kept.extend(range(int(frame) - gap, int(frame)))
        kept.append(int(frame))
    return [unit.start + skip + frame * FRAME_SAMPLES for frame in kept]


def _place(bound: float, voiced: list[int], unit: _Unit) -> int:
    """The generation position that lies `bound` voiced samples after the beginning."""
    samples = max(0, round(bound))
    frame, rest = divmod(samples, FRAME_SAMPLES)
    if frame < len(voiced):
        return voiced[frame] + rest
    end = voiced[-1] + FRAME_SAMPLES if voiced else unit.start + unit.samples
    return end + samples - len(voiced) * FRAME_SAMPLES
