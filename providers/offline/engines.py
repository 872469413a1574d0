"""The synthesisers that may be on a machine, best first: flite, espeak-ng, shipped prompts.

flite runs in this process (it gives the interpreter's lock free). espeak-ng is a program of its
own, under its own licence, and is only ever run. Every call here blocks; run it in a thread.
"""

import ctypes
import json
import re
import shutil
import subprocess
import threading
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

import numpy as np

from ...codecs import wav
from ...codecs.resample import resampled
from ..protocols import SAMPLE_RATE, Pcm, ProviderError, Word
from .loudness import at_telephone_level
from .words import DIGIT_WORDS, words_of

FLITE_VOICES = ("rms", "slt", "awb")
"""Best first: over a telephone line `rms` is understood best."""

ESPEAK_TIMEOUT_S = 20.0
CANNOT_SPEAK = "This text cannot be spoken here, because no speech synthesis is installed."
"""What is played for text that is no prompt."""

UNIT_END = re.compile(r"(?<=[.!?,;:])[\"')]*\s+")
"""Where a text falls into units that are prompts of their own."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One clause as 8 kHz audio, and its words where their times are true."""

    pcm: Pcm
    words: tuple[Word, ...] = ()


class Engine(Protocol):
    """Turns one clause into audio."""

    def render(self, text: str) -> Rendered:
        """Blocks. Empty where nothing in the text can be spoken. Raises ProviderError."""
        ...

    def describe(self) -> str:
        """What this is, for an operator."""
        ...


class EngineMissing(Exception):
    """A synthesiser is not on this machine."""


def find_engine(voice: str | None = None) -> Engine:
    """The best synthesiser here; `voice` is a flite voice, or None for the best."""
    try:
        return Flite(voice or FLITE_VOICES[0])
    except EngineMissing:
        program = shutil.which("espeak-ng")
        return Espeak(program) if program else Prompts()


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("rate", ctypes.c_int),
        ("samples", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_short)),
    )


_START = b"daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end"
_END = b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end"


class Flite:
    """flite 2, by its shared libraries. Tells when each word sounds."""

    _loading = threading.Lock()

    def __init__(self, voice: str) -> None:
        self._name = voice
        try:
            with self._loading:
                self._library = _load_flite()
                self._voice = _register(voice)
        except (OSError, AttributeError) as error:
            raise EngineMissing(str(error)) from error

    def describe(self) -> str:
        return f"flite, voice {self._name}"

    def render(self, text: str) -> Rendered:
        plain = unicodedata.normalize("NFKD", text.replace("’", "'")).encode("ascii", "ignore")
        if not re.search(rb"[A-Za-z0-9]", plain):
            return Rendered(np.zeros(0, np.int16))
        utterance = self._library.flite_synth_text(plain, self._voice)
        if not utterance:
            raise ProviderError("offline", "protocol", "flite could not speak the text.")
        try:
            return self._rendered(utterance, plain.decode())
        finally:
            self._library.delete_utterance(utterance)

    def _rendered(self, utterance: int, text: str) -> Rendered:
        address = self._library.utt_wave(utterance)
        if not address:
            raise ProviderError("offline", "protocol", "flite gave no audio.")
        wave = ctypes.cast(address, ctypes.POINTER(_Wave)).contents
        spoken = np.ctypeslib.as_array(wave.data, (wave.samples * wave.channels,))
        trimmed = at_telephone_level(resampled(spoken.copy(), wave.rate, SAMPLE_RATE))
        words = self._words(utterance, text, trimmed.cut / SAMPLE_RATE)
        return Rendered(trimmed.pcm, words)

    def _words(self, utterance: int, text: str, cut_s: float) -> tuple[Word, ...]:
        tokens, library = text.split(), self._library
        item = library.relation_head(library.utt_relation(utterance, b"Token"))
        times = []
        while item:
            start = library.flite_ffeature_float(item, _START)
            times.append((start, library.flite_ffeature_float(item, _END)))
            item = library.item_next(item)
        if len(times) != len(tokens):  # flite has cut the text in its own way
            return ()
        return tuple(
            Word(token, max(0.0, start - cut_s), max(0.0, end - cut_s))
            for token, (start, end) in zip(tokens, times, strict=True)
        )


def _load_flite() -> Any:
    library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
    for part in ("usenglish", "cmulex"):
        ctypes.CDLL(f"libflite_{part}.so.1", mode=ctypes.RTLD_GLOBAL)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("flite_init", ctypes.c_int, ()),
        ("flite_synth_text", pointer, (text, pointer)),
        ("utt_wave", pointer, (pointer,)),
        ("utt_relation", pointer, (pointer, text)),
        ("relation_head", pointer, (pointer,)),
        ("item_next", pointer, (pointer,)),
        ("flite_ffeature_float", ctypes.c_float, (pointer, text)),
        ("delete_utterance", None, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.flite_init()
    return library


def _register(voice: str) -> int:
    register = getattr(ctypes.CDLL(f"libflite_cmu_us_{voice}.so.1"), f"register_cmu_us_{voice}")
    register.restype, register.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    address: int | None = register(None)
    if not address:
        raise OSError(f"the flite voice {voice} cannot be loaded")
    return address


class Espeak:
    """espeak-ng, one short-lived process for each clause."""

    def __init__(self, program: str) -> None:
        self._program = program

    def describe(self) -> str:
        return "espeak-ng, because libflite1 is not installed"

    def render(self, text: str) -> Rendered:
        try:
            done = subprocess.run(  # noqa: S603 - a found program, fixed arguments, text by stdin
                [self._program, "-v", "en-us", "-s", "160", "--stdin", "--stdout"],
                input=text.encode(),
                capture_output=True,
                timeout=ESPEAK_TIMEOUT_S,
                check=True,
            )
            clip = wav.parse(done.stdout)
        except (OSError, subprocess.SubprocessError, wav.WavError) as error:
            message = f"espeak-ng could not speak the text: {error}"
            raise ProviderError("offline", "protocol", message) from error
        return Rendered(at_telephone_level(resampled(clip.mono(), clip.rate, SAMPLE_RATE)).pcm)


class Prompts:
    """Recordings of everything that the demonstration script says."""

    def __init__(self) -> None:
        self._folder = files(__package__).joinpath("prompts")
        index = json.loads(self._folder.joinpath("index.json").read_text("utf-8"))
        self._files: dict[str, str] = index

    def describe(self) -> str:
        return "recorded prompts only; install libflite1 or espeak-ng to speak any text"

    def render(self, text: str) -> Rendered:
        clips = [self._clip(name) for name in self._names(text)]
        return Rendered(np.concatenate(clips) if clips else np.zeros(0, np.int16))

    def _names(self, text: str) -> list[str]:
        names = []
        for unit in UNIT_END.split(text):
            key = prompt_key(unit)
            words = key.split()
            if key in self._files:
                names.append(self._files[key])
            elif all(word in DIGIT_WORDS for word in words):
                names += [self._files[word] for word in words]
            else:
                return [self._files[prompt_key(u)] for u in UNIT_END.split(CANNOT_SPEAK)]
        return names

    def _clip(self, name: str) -> Pcm:
        return wav.parse(self._folder.joinpath(name).read_bytes()).mono()


def prompt_key(text: str) -> str:
    """What a prompt is found by: its words alone."""
    return " ".join(words_of(text))
