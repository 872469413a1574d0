"""Streaming speech recognition for the phrases of a script, in worker processes.

`Recognition` is shared by all calls: it owns the workers and the vocabularies' files.
`OfflineSpeechToText` is one vocabulary on it. Speech that is none of the phrases becomes a final
transcript with the text `[unintelligible]` and a low confidence.
"""

import asyncio
import hashlib
import itertools
import json
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from ..protocols import (
    SAMPLE_RATE,
    Pcm,
    ProviderError,
    ProviderFailure,
    SttStream,
    Transcript,
    Word,
)
from .recogniser import pronouncing_dictionary, write_vocabulary
from .vocabulary import Vocabulary
from .wire import Frame, Kind
from .workers import Channel, RecognitionSettings, RecognitionWorker

MAX_LOST = 10 * SAMPLE_RATE  # samples dropped before a stream fails
MAX_VOCABULARIES = 256  # kept as files
MAX_ANSWERS = 200  # transcripts that wait to be taken
MAX_BLOCK = 8 * SAMPLE_RATE  # samples in one message

log = logging.getLogger(__name__)


class Recognition:
    """The workers of this node and the vocabularies they know."""

    def __init__(self, settings: RecognitionSettings) -> None:
        self.settings = settings
        self.workers: list[RecognitionWorker] = []
        self._folder: Path | None = None
        self._warm: Path | None = None
        self._streams = itertools.count(1)

    async def start(self, phrases: Iterable[str]) -> Path:
        """Start the workers, warm for these phrases. Raises ProviderError, VocabularyError."""
        self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="aywa-vocabulary-"))
        try:
            self._warm = warm = await self.prepare(phrases)
            self.workers = [
                RecognitionWorker(self.settings, warm) for _ in range(self.settings.workers)
            ]
            await asyncio.gather(*(worker.start() for worker in self.workers))
        except BaseException:
            await self.close()
            raise
        return warm

    async def close(self) -> None:
        """End the workers and remove their files."""
        await asyncio.gather(*(worker.close() for worker in self.workers))
        self.workers = []
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    async def prepare(self, phrases: Iterable[str]) -> Path:
        """The folder of these phrases' vocabulary, made where it is not there yet."""
        return await asyncio.to_thread(self._prepare, tuple(phrases))

    def _prepare(self, phrases: tuple[str, ...]) -> Path:
        if self._folder is None:
            raise ProviderError("offline", "connect", "speech recognition is not started.")
        folder = self._folder / hashlib.sha256(json.dumps(phrases).encode()).hexdigest()[:16]
        if not folder.is_dir():
            self._make_room(self._folder)
            vocabulary = Vocabulary.build(phrases, pronouncing_dictionary())
            if vocabulary.left_out:
                log.warning("phrases that cannot be recognised: %s", list(vocabulary.left_out))
            making = Path(tempfile.mkdtemp(dir=self._folder))
            write_vocabulary(vocabulary, making)
            try:
                making.rename(folder)
            except OSError:  # another call made the same one meanwhile
                shutil.rmtree(making, ignore_errors=True)
        folder.touch()  # used last
        return folder

    def _make_room(self, parent: Path) -> None:
        # The workers' own vocabulary stays: they need it whenever they are started again.
        folders = [folder for folder in parent.iterdir() if folder != self._warm]
        folders.sort(key=lambda folder: folder.stat().st_mtime)
        for oldest in folders[: max(0, len(folders) - MAX_VOCABULARIES + 1)]:
            shutil.rmtree(oldest, ignore_errors=True)

    def open(self, folder: Path) -> "RecognitionStream":
        """Open a stream on the worker that serves the fewest. Raises ProviderError."""
        ready = [worker for worker in self.workers if worker.is_ready]
        if not ready:
            raise ProviderError("offline", "connect", "no recognition worker is running.")
        worker = min(ready, key=lambda worker: worker.load)
        return RecognitionStream(next(self._streams), worker, folder)


class RecognitionStream:
    """One call's ears. Iterating yields transcripts until it is closed or its worker dies."""

    def __init__(self, stream: int, worker: RecognitionWorker, folder: Path) -> None:
        self._id, self._worker = stream, worker
        self._channel = Channel(folder, self._on_answer, self._on_lost)
        self._position = 0
        self._answers: asyncio.Queue[Transcript | ProviderError | None] = asyncio.Queue()
        worker.attach(stream, self._channel)

    @property
    def dropped_samples(self) -> int:
        """Samples that the worker was too busy to take."""
        return self._channel.dropped_samples

    def send(self, pcm: Pcm) -> None:
        """Hand over the next samples; where the worker falls behind, the oldest are dropped."""
        before = self.dropped_samples
        for start in range(0, len(pcm), MAX_BLOCK):
            block = pcm[start : start + MAX_BLOCK]
            frame = Frame(Kind.AUDIO, self._id, block.astype("<i2").tobytes(), self._position)
            self._position += len(block)
            self._worker.push(self._id, frame)
        if self.dropped_samples > before == 0:
            log.warning("speech recognition is overloaded and drops audio: stream=%s", self._id)
        if self.dropped_samples > MAX_LOST >= before:
            self._fail("stall", "the workers are too busy; raise their number.")

    def finalize(self) -> None:
        """Ask for a final transcript of everything sent so far."""
        self._worker.push(self._id, Frame(Kind.FINALIZE, self._id))

    def close(self) -> None:
        """End the stream."""
        self._worker.detach(self._id)
        self._answers.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while (answer := await self._answers.get()) is not None:
            if isinstance(answer, ProviderError):
                raise answer
            yield answer

    def _on_answer(self, frame: Frame) -> None:
        value = json.loads(frame.body)
        if frame.kind is Kind.FAILED:
            self._fail("protocol", f"the recogniser failed: {value}")
        elif self._answers.qsize() < MAX_ANSWERS or value["final"]:
            words = tuple(Word(**word) for word in value.pop("words"))
            self._answers.put_nowait(Transcript(**value, words=words))

    def _on_lost(self) -> None:
        self._fail("close_early", "the recognition worker died; open a new stream.")

    def _fail(self, kind: ProviderFailure, message: str) -> None:
        self._answers.put_nowait(ProviderError("offline", kind, message))


class OfflineSpeechToText:
    """Speech recognition with one vocabulary."""

    name = "offline"

    def __init__(self, recognition: Recognition, phrases: Iterable[str]) -> None:
        self._recognition, self._phrases = recognition, tuple(phrases)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SttStream]:
        """Open a stream; leaving the block closes it. Raises ProviderError."""
        folder = await self._recognition.prepare(self._phrases)
        stream = self._recognition.open(folder)
        try:
            yield stream
        finally:
            stream.close()
