"""One stream in a worker: its gate, and a recogniser while somebody speaks.

Recognisers are kept for the next utterance of any stream with the same vocabulary. Knows no socket
and no process.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..protocols import SAMPLE_RATE, Pcm, Transcript
from .gate import FRAME, SpeechGate
from .recogniser import TELEPHONE, Recogniser
from .vocabulary import UNINTELLIGIBLE

PRE_ROLL_FRAMES = 15  # 300 ms before the gate opened: soft beginnings of words
LEAST_LOUD_FRAMES = 8  # 160 ms; shorter noises are no speech
MAX_UTTERANCE_FRAMES = 750  # 15 s; longer speech is cut into several transcripts
MAX_VOCABULARIES = 8  # whose idle recognisers are kept


class Recognisers:
    """The recognisers of a worker; up to `keep` idle ones stay for each vocabulary."""

    def __init__(self, keep: int, make: Callable[[Path], Recogniser] = Recogniser) -> None:
        self._keep, self._make = keep, make
        self._idle: OrderedDict[Path, list[Recogniser]] = OrderedDict()

    def load(self, folder: Path) -> None:
        """Make recognisers ahead of time."""
        idle = self._kept(folder)
        while len(idle) < self._keep:
            idle.append(self._make(folder))

    def take(self, folder: Path) -> Recogniser:
        """A recogniser for one utterance; a new one takes some 30 ms."""
        idle = self._kept(folder)
        return idle.pop() if idle else self._make(folder)

    def give_back(self, folder: Path, recogniser: Recogniser) -> None:
        """Keep a recogniser that has finished its utterance."""
        idle = self._kept(folder)
        if len(idle) < self._keep:
            idle.append(recogniser)

    def _kept(self, folder: Path) -> list[Recogniser]:
        idle = self._idle.setdefault(folder, [])
        self._idle.move_to_end(folder)
        while len(self._idle) > MAX_VOCABULARIES:
            self._idle.popitem(last=False)
        return idle


class Listener:
    """Turns the audio of one stream into transcripts."""

    def __init__(self, folder: Path, recognisers: Recognisers, end_silence_s: float) -> None:
        self._folder, self._recognisers = folder, recognisers
        self._gate = SpeechGate(end_silence_s)
        self._recogniser: Recogniser | None = None
        self._frames: list[Pcm] = []  # speech not yet heard, or the pre-roll
        self._rest: Pcm = np.zeros(0, np.int16)
        self._position = 0  # of the next sample
        self._length = 0  # frames of this utterance
        self._line = TELEPHONE  # learnt from utterance to utterance

    def hear(self, pcm: Pcm, position: int) -> Iterator[Transcript]:
        """Take the next samples; where samples were lost before them, `position` jumps."""
        pcm = np.concatenate((self._rest, pcm))
        self._position = position - len(self._rest)
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        for frame in pcm[:whole].reshape(-1, FRAME):
            yield from self._hear_frame(frame)
        interim = self._recognise()
        if interim is not None:
            yield interim

    def finalize(self) -> Transcript:
        """The final transcript of everything heard since the last one; it may be empty."""
        now = self._position / SAMPLE_RATE
        final = self._end() if self._recogniser is not None else None
        return replace(final or Transcript("", True, now, now), from_finalize=True)

    def close(self) -> None:
        """Give the recogniser back."""
        if self._recogniser is not None:
            self._end()

    def _hear_frame(self, frame: Pcm) -> Iterator[Transcript]:
        self._position += len(frame)
        self._frames.append(frame)
        speaking = self._gate.feed(frame)
        if self._recogniser is None:
            self._frames = self._frames[-PRE_ROLL_FRAMES:]
            if speaking:
                self._recogniser = self._recognisers.take(self._folder)
                self._length = len(self._frames)
                self._recogniser.begin(self._position - self._length * FRAME, self._line)
            return
        self._length += 1
        if not speaking or self._length >= MAX_UTTERANCE_FRAMES:
            final = self._end()
            if final is not None:
                yield final

    def _recognise(self) -> Transcript | None:
        """Feed the recogniser what has come in; its interim transcript if that has changed."""
        if self._recogniser is None or not self._frames:
            return None
        speech, self._frames = np.concatenate(self._frames), []
        return self._recogniser.feed(speech)

    def _end(self) -> Transcript | None:
        """End the utterance; None where it held no speech."""
        self._recognise()
        loud = self._gate.loud_frames
        self._gate.reset()
        recogniser, self._recogniser = self._recogniser, None
        if recogniser is None:
            return None
        final = recogniser.finish()
        if final.text and final.text != UNINTELLIGIBLE:
            self._line = recogniser.line
        self._recognisers.give_back(self._folder, recogniser)
        return final if final.text and loud >= LEAST_LOUD_FRAMES else None
