"""Words as sounds that can be told apart again: what the line played can be read back.

Each word is a pair of tones out of a grid of exact bins of a 20 ms frame, so that every single
frame says which word it belongs to. A word ends with one silent frame.
"""

from itertools import combinations

import numpy as np

from ..providers.protocols import SAMPLE_RATE, Pcm, Word

FRAME_SAMPLES = 160
_BINS = range(8, 60)  # of 50 Hz: 400 … 2950 Hz
_LEVEL = 6_000


class WordTones:
    """A vocabulary that grows: a word gets its tones when it is first spoken."""

    def __init__(self, frames_per_word: int = 10) -> None:
        if frames_per_word < 2:
            raise ValueError("a word takes at least one frame of tone and one of silence")
        self.frames_per_word = frames_per_word
        self._pairs = combinations(_BINS, 2)
        self._codes: dict[str, tuple[int, int]] = {}
        self._words: dict[tuple[int, int], str] = {}

    @property
    def word_samples(self) -> int:
        """Samples of one word, its silence included."""
        return self.frames_per_word * FRAME_SAMPLES

    def say(self, text: str) -> tuple[Pcm, tuple[Word, ...]]:
        """The audio of a text and the times of its words."""
        spoken = text.split()
        pieces = [self._tone(word) for word in spoken]
        length_s = self.word_samples / SAMPLE_RATE
        times = tuple(
            Word(word, i * length_s, (i + 1) * length_s - FRAME_SAMPLES / SAMPLE_RATE)
            for i, word in enumerate(spoken)
        )
        return (np.concatenate(pieces) if pieces else np.zeros(0, np.int16)), times

    def read(self, pcm: Pcm) -> list[tuple[str, int]]:
        """The words in some audio, each with the number of frames that carry it."""
        found: list[tuple[str, int]] = []
        last: str | None = None
        for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            word = self._frame(pcm[start : start + FRAME_SAMPLES])
            if word is not None and word == last:
                found[-1] = (word, found[-1][1] + 1)
            elif word is not None:
                found.append((word, 1))
            last = word
        return found

    def _tone(self, word: str) -> Pcm:
        if word not in self._codes:
            self._codes[word] = next(self._pairs)
            self._words[self._codes[word]] = word
        samples = np.arange(self.word_samples - FRAME_SAMPLES)
        turns = 2 * np.pi * samples / FRAME_SAMPLES
        low, high = self._codes[word]
        tone = (_LEVEL * (np.sin(low * turns) + np.sin(high * turns))).astype(np.int16)
        return np.concatenate([tone, np.zeros(FRAME_SAMPLES, np.int16)])

    def _frame(self, frame: Pcm) -> str | None:
        spectrum = np.abs(np.fft.rfft(frame.astype(np.float64)))
        if spectrum.max() < _LEVEL * FRAME_SAMPLES / 8:
            return None
        low, high = sorted(int(i) for i in np.argsort(spectrum)[-2:])
        return self._words.get((low, high))
