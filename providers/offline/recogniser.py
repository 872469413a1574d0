"""Two PocketSphinx decoders that hear one utterance together, and the files they are made from.

PocketSphinx holds the interpreter's lock while it decodes, so this runs in worker processes only.
It models wide-band speech: samples of the line are taken up to 16 kHz.
"""

import json
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ...codecs.resample import Resampler
from ..protocols import SAMPLE_RATE, Pcm, Transcript, Word
from .vocabulary import UNINTELLIGIBLE, Vocabulary

MODEL_RATE = 16_000
FRAMES_PER_SECOND = 100  # of the decoder
INTERIM_S = 0.2  # audio between two looks at what was understood so far
WARM_UP_SAMPLES = 1_600

TELEPHONE = "47.58,32.28,-30.94,49.66,-17.41,1.52,15.57,-25.95,8.62,-9.14,5.44,7.16,-6.13"
"""The mean cepstrum of speech on a telephone line, averaged over four voices.

The model's own is that of wide-band speech: with it the first sentences of a call are mostly
misheard. Each stream starts from this one and learns its own line's.
"""

DICTIONARY, GRAMMAR, TRIGRAMS, PHRASES = (
    "words.dict",
    "phrases.jsgf",
    "phrases.arpa",
    "phrases.json",
)


def available() -> bool:
    """Whether PocketSphinx is installed."""
    return find_spec("pocketsphinx") is not None


def pronouncing_dictionary() -> Path:
    """The dictionary that comes with PocketSphinx."""
    return Path(str(files("pocketsphinx"))) / "model" / "en-us" / "cmudict-en-us.dict"


def write_vocabulary(vocabulary: Vocabulary, folder: Path) -> None:
    """Write the files that a worker reads. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DICTIONARY).write_text(vocabulary.dictionary(), "utf-8")
    (folder / GRAMMAR).write_text(vocabulary.grammar(), "utf-8")
    (folder / TRIGRAMS).write_text(vocabulary.trigrams(), "utf-8")
    (folder / PHRASES).write_text(json.dumps(vocabulary.phrases), "utf-8")


class Recogniser:
    """Hears one utterance after another; `begin`, `feed` …, `finish`."""

    def __init__(self, folder: Path) -> None:
        # Only workers have it: it is optional, and slow to import.
        import pocketsphinx

        # One pass only: further ones may take a second at the end of an utterance.
        quick: dict[str, Any] = {
            "lm": None,
            "loglevel": "FATAL",
            "dict": str(folder / DICTIONARY),
            "fwdflat": False,
            "bestpath": False,
        }
        phrases = json.loads((folder / PHRASES).read_text("utf-8"))
        self._vocabulary = Vocabulary(tuple(tuple(phrase) for phrase in phrases), {}, ())
        # Wide beams: a grammar is cheap, and narrow ones lose phrases that begin unclearly.
        self._strict = pocketsphinx.Decoder(beam=1e-60, pbeam=1e-60, wbeam=1e-40, **quick)
        self._strict.add_jsgf_file("phrases", str(folder / GRAMMAR))
        self._strict.activate_search("phrases")
        self._free = pocketsphinx.Decoder(**quick)
        trigrams = pocketsphinx.NGramModel(
            self._free.config, self._free.logmath, str(folder / TRIGRAMS)
        )
        self._free.add_lm("phrases", trigrams)
        self._free.activate_search("phrases")
        self.heard = ("", "")
        """What the two decoders heard of the last utterance: by the grammar, and freely."""
        self._resampler = Resampler(SAMPLE_RATE, MODEL_RATE)
        self._start_s = 0.0
        self._fed = 0
        self._looked_at = 0
        self._interim = ""
        self.begin(0)
        self.feed(np.zeros(WARM_UP_SAMPLES, np.int16))
        self.finish()

    def begin(self, position: int, line: str = TELEPHONE) -> None:
        """Start an utterance whose first sample has this position in the stream.

        `line` is the mean cepstrum of the line so far.
        """
        for decoder in (self._strict, self._free):
            decoder.set_cmn(line)
        self._resampler = Resampler(SAMPLE_RATE, MODEL_RATE)
        self._start_s = position / SAMPLE_RATE
        self._fed = self._looked_at = 0
        self._interim = ""
        self._strict.start_utt()
        self._free.start_utt()

    def feed(self, pcm: Pcm) -> Transcript | None:
        """Hear the next samples; an interim transcript when it has changed."""
        self._fed += len(pcm)
        data = self._resampler.feed(pcm).tobytes()
        if data:
            self._strict.process_raw(data, False, False)
            self._free.process_raw(data, False, False)
        if self._fed - self._looked_at < INTERIM_S * SAMPLE_RATE:
            return None
        self._looked_at = self._fed
        text = _text(self._free)
        if not text or text == self._interim:
            return None
        self._interim = text
        return Transcript(text, False, self._start_s, self.end_s, confidence=0.5)

    @property
    def line(self) -> str:
        """The mean cepstrum of the line, as the last utterance has changed it."""
        return str(self._strict.get_cmn(True))

    @property
    def end_s(self) -> float:
        """Where the utterance has come to, in seconds of the stream."""
        return self._start_s + self._fed / SAMPLE_RATE

    def finish(self) -> Transcript:
        """End the utterance; its text is empty where nothing was said."""
        self._strict.end_utt()
        self._free.end_utt()
        strict, free = self.heard = _text(self._strict), _text(self._free)
        text, confidence = self._vocabulary.understand(strict, free)
        words: tuple[Word, ...] = ()
        if text and text != UNINTELLIGIBLE:
            for source, decoder in ((strict, self._strict), (free, self._free)):
                if source == text:
                    words = self._timed(decoder)
                    break
        return Transcript(text, True, self._start_s, self.end_s, round(confidence, 3), words)

    def _timed(self, decoder: Any) -> tuple[Word, ...]:
        return tuple(
            Word(
                segment.word.partition("(")[0],
                self._start_s + segment.start_frame / FRAMES_PER_SECOND,
                min(self._start_s + (segment.end_frame + 1) / FRAMES_PER_SECOND, self.end_s),
            )
            for segment in decoder.seg()
            if segment.word[0] not in "<[+("
        )


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis is not None else ""
