"""Feeds the engine's bounded playout ring from as much audio as a reply may have.

Text to speech is faster than speech. What does not fit the ring waits here, and follows as the
engine tells how far it has come. Pure: gives the commands to be sent.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .plane import Command, EndPlay, Mark, Play
from .playout import AHEAD

PENDING_SAMPLES = 8_000 * 600  # ten minutes; a reply beyond is cut


class PlayoutFeed:
    """The audio of one stream that the engine has no room for yet."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._generation = 0
        self._pending: deque[NDArray[np.int16]] = deque()
        self._waiting = 0
        self._sent = 0
        self._played = 0
        self._complete = False
        self.cut_samples = 0

    def play(self, generation: int, pcm: NDArray[np.int16]) -> list[Command]:
        """Take more audio of a generation; a newer one takes the place of the current."""
        if generation > self._generation:
            self.drop(generation)
        if generation < self._generation or self._complete:
            return []
        kept = pcm[: PENDING_SAMPLES - self._waiting]
        self.cut_samples += len(pcm) - len(kept)
        if len(kept):
            self._pending.append(kept)
            self._waiting += len(kept)
        return self._more()

    def end(self, generation: int) -> list[Command]:
        """Nothing more comes for the generation."""
        if generation > self._generation:
            self.drop(generation)
        if generation < self._generation or self._complete:
            return []
        self._complete = True
        return [] if self._pending else [EndPlay(self._stream, generation)]

    def mark(self, generation: int, name: str) -> list[Command]:
        """Tell when everything that was given of the generation so far has left."""
        if generation != self._generation:
            return []
        return [Mark(self._stream, generation, self._sent + self._waiting, name)]

    def played(self, generation: int, samples: int) -> list[Command]:
        """The engine has come to `samples` of the generation."""
        if generation != self._generation:
            return []
        self._played = max(self._played, samples)
        return self._more()

    def drop(self, generation: int) -> None:
        """Forget what waits; `generation` is the current one from now on."""
        if generation < self._generation:
            return
        self._complete = generation == self._generation
        self._generation = generation
        self._pending.clear()
        self._waiting = self._sent = self._played = 0

    def _more(self) -> list[Command]:
        commands: list[Command] = []
        while self._pending and (room := self._played + AHEAD - self._sent) > 0:
            piece = self._pending.popleft()
            if len(piece) > room:
                self._pending.appendleft(piece[room:])
                piece = piece[:room]
            self._waiting -= len(piece)
            self._sent += len(piece)
            commands.append(Play(self._stream, self._generation, piece))
            if not self._pending and self._complete:
                commands.append(EndPlay(self._stream, self._generation))
        return commands
