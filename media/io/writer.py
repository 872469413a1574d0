"""Writes recordings and captures in a thread of its own, so that no disk makes the tick wait.

A file that cannot be written is given up, told once, and the call goes on without it.
"""

import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Literal

from ...codecs import wav
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
class _Work:
    stream: str
    artifact: Artifact | None
    data: bytes
    path: Path | None = None


class ArtifactWriter:
    """One thread for the files of all streams. What it reports waits in `reports`."""

    def __init__(self) -> None:
        self.reports: deque[ArtifactFailed | FilesClosed] = deque()
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._put_in = 0  # octets, counted by the caller's thread
        self._taken_out = 0  # octets, counted by the writer's thread
        self._given_up: set[tuple[str, Artifact]] = set()
        self._files: dict[tuple[str, Artifact], IO[bytes]] = {}
        self._thread = threading.Thread(target=self._run, name="artifacts", daemon=True)
        self._thread.start()

    def open(self, stream: str, artifact: Artifact, folder: str) -> None:
        """Begin a file in an existing folder."""
        self._given_up.discard((stream, artifact))
        self._queue.put(_Work(stream, artifact, b"", Path(folder) / NAMES[artifact]))

    def append(self, stream: str, artifact: Artifact, data: bytes) -> None:
        """Add to a file. One that the disk is too slow for ends where it is, and is told once."""
        key = (stream, artifact)
        if key in self._given_up:
            return
        if self._put_in - self._taken_out + len(data) > QUEUED_OCTETS:
            self._given_up.add(key)
            reason = f"the disk is {QUEUED_OCTETS >> 20} MiB behind; use a faster one"
            self.reports.append(ArtifactFailed(stream, artifact, reason))
            return
        self._put_in += len(data)
        self._queue.put(_Work(stream, artifact, data))

    def finish(self, stream: str) -> None:
        """Complete the stream's files; FilesClosed follows."""
        for artifact in NAMES:
            self._given_up.discard((stream, artifact))
        self._queue.put(_Work(stream, None, b""))

    def close(self) -> None:
        """Write what waits and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if work.artifact is None:
                self._finish(work.stream)
            else:
                self._write(work, work.artifact)
                self._taken_out += len(work.data)
        for stream, _ in list(self._files):
            self._finish(stream)

    def _write(self, work: _Work, artifact: Artifact) -> None:
        key = (work.stream, artifact)
        try:
            if work.path:
                # Unbuffered: what was written survives the death of this process.
                self._files[key] = work.path.open("wb", buffering=0)
                self._put(key, _HEADERS[artifact])
            elif key in self._files:
                self._put(key, work.data)
        except OSError as error:
            self._give_up(key, error)

    def _put(self, key: tuple[str, Artifact], data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._files[key].write(view) :]

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


def _complete(file: IO[bytes], artifact: Artifact) -> None:
    """Close a file, with the true sizes in a recording's header."""
    with file:
        if artifact == "recording":
            size = file.tell() - wav.HEADER_SIZE
            file.seek(0)
            file.write(wav.header(RATE, CHANNELS, size - size % 4))
