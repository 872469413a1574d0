"""Writes recordings and captures in a thread of its own, so that no disk makes the tick wait.

A file that cannot be written is given up, told once, and the call goes on without it.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Literal

from ...codecs import wav
from ..engine import Block
from ..pcap import FILE_HEADER
from ..plane import ArtifactFailed
from ..recovery import CHANNELS, RATE

Artifact = Literal["recording", "pcap"]

NAMES: dict[Artifact, str] = {"recording": "stereo.wav", "pcap": "call.pcap"}
QUEUED_OCTETS = 64 * 1024 * 1024  # waiting for a slow disk; beyond, blocks are dropped

_HEADERS: dict[Artifact, bytes] = {"recording": wav.header(RATE, CHANNELS), "pcap": FILE_HEADER}


@dataclass(frozen=True, slots=True)
class FilesClosed:
    """Everything of the stream is in its files."""

    stream: str


@dataclass(frozen=True, slots=True)
class _Opening:
    stream: str
    artifact: Artifact
    path: Path


@dataclass(frozen=True, slots=True)
class _Finishing:
    stream: str


class ArtifactWriter:
    """One thread for the files of all streams. What it reports waits in `reports`."""

    def __init__(self) -> None:
        self.reports: deque[ArtifactFailed | FilesClosed] = deque()
        self._queue: SimpleQueue[_Opening | list[Block] | _Finishing | None] = SimpleQueue()
        self._put_in = 0  # octets, counted by the caller's thread
        self._taken_out = 0  # octets, counted by the writer's thread
        self._given_up: set[tuple[str, Artifact]] = set()
        self._files: dict[tuple[str, Artifact], IO[bytes]] = {}
        self._thread = threading.Thread(target=self._run, name="artifacts", daemon=True)
        self._thread.start()

    def open(self, stream: str, artifact: Artifact, folder: str) -> None:
        """Begin a file in an existing folder."""
        self._given_up.discard((stream, artifact))
        self._queue.put(_Opening(stream, artifact, Path(folder) / NAMES[artifact]))

    def append(self, blocks: Sequence[Block]) -> None:
        """Add to files. One that the disk is too slow for ends where it is, and is told once."""
        # All blocks of a tick are handed over at once: the thread is woken for them once.
        if taken := [block for block in blocks if self._takes(block)]:
            self._queue.put(taken)

    def _takes(self, block: Block) -> bool:
        if self._given_up and (block.stream, block.artifact) in self._given_up:
            return False
        size = len(block.data)
        if self._put_in - self._taken_out + size > QUEUED_OCTETS:
            self._given_up.add((block.stream, block.artifact))
            reason = f"the disk is {QUEUED_OCTETS >> 20} MiB behind; use a faster one"
            self.reports.append(ArtifactFailed(block.stream, block.artifact, reason))
            return False
        self._put_in += size
        return size > 0

    def finish(self, stream: str) -> None:
        """Complete the stream's files; FilesClosed follows."""
        for artifact in NAMES:
            self._given_up.discard((stream, artifact))
        self._queue.put(_Finishing(stream))

    def close(self) -> None:
        """Write what waits and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            match work:
                case _Opening():
                    self._begin(work)
                case _Finishing():
                    self._finish(work.stream)
                case blocks:
                    for block in blocks:
                        self._write(block)
        for stream, _ in list(self._files):
            self._finish(stream)

    def _begin(self, work: _Opening) -> None:
        key = (work.stream, work.artifact)
        try:
            # Unbuffered: what was written survives the death of this process.
            file = self._files[key] = work.path.open("wb", buffering=0)
            _put(file, _HEADERS[work.artifact])
        except OSError as error:
            self._give_up(key, error)

    def _write(self, block: Block) -> None:
        key = (block.stream, block.artifact)
        try:
            if file := self._files.get(key):
                _put(file, block.data)
        except OSError as error:
            self._give_up(key, error)
        self._taken_out += len(block.data)

    def _give_up(self, key: tuple[str, Artifact], error: OSError) -> None:
        stream, artifact = key
        file = self._files.pop(key, None)
        if file:
            with contextlib.suppress(OSError):
                _complete(file, artifact)
        reason = f"{error.strerror or error}; free space or correct RUNTIME_DATA_DIR"
        self.reports.append(ArtifactFailed(stream, artifact, reason))

    def _finish(self, stream: str) -> None:
        for artifact in NAMES:
            file = self._files.pop((stream, artifact), None)
            if file is None:
                continue
            try:
                _complete(file, artifact)
            except OSError as error:
                self.reports.append(ArtifactFailed(stream, artifact, str(error)))
        self.reports.append(FilesClosed(stream))


def _put(file: IO[bytes], data: bytes) -> None:
    put = file.write(data)
    while put < len(data):
        put += file.write(memoryview(data)[put:])


def _complete(file: IO[bytes], artifact: Artifact) -> None:
    """Close a file, with the true sizes in a recording's header."""
    with file:
        if artifact == "recording":
            size = file.tell() - wav.HEADER_SIZE
            file.seek(0)
            file.write(wav.header(RATE, CHANNELS, size - size % 4))
