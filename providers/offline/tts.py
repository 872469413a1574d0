"""Speech synthesis without a network, clause by clause.

Rendered clauses are kept, so what an assistant says again comes at once. Closing the iterator stops
at the next clause; a clause in the making ends in its thread and is kept.
"""

import asyncio
import re
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from ..protocols import SAMPLE_RATE, ProviderError, SpeechChunk, Word
from .engines import Engine, Rendered, find_engine

CACHE_SAMPLES = 8_000_000  # 16 MB, some 1000 s of speech
LONG_CLAUSE = 60  # characters; a longer sentence begins with its first clause
LEAST_CLAUSE = 20
MAX_CLAUSE = 400  # characters; longer ones are cut between words
MAX_TEXT = 10_000  # characters of one request
THREADS = 2

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[^a-z\s])|\n+")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+")


def clauses(text: str) -> list[str]:
    """The pieces that are rendered one by one."""
    pieces = []
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(part.split())
        if len(sentence) > LONG_CLAUSE:
            first = next(
                (m for m in _CLAUSE_END.finditer(sentence) if m.end() > LEAST_CLAUSE), None
            )
            if first:
                pieces.append(sentence[: first.start()])
                sentence = sentence[first.end() :]
        while len(sentence) > MAX_CLAUSE:
            cut = sentence.rfind(" ", 1, MAX_CLAUSE)
            cut = MAX_CLAUSE if cut < 0 else cut
            pieces.append(sentence[:cut])
            sentence = sentence[cut:].lstrip()
        pieces.append(sentence)
    return [piece for piece in pieces if any(c.isalnum() for c in piece)]


class RenderedClauses:
    """Clauses that were rendered, the ones used last; safe between threads."""

    def __init__(self, limit: int = CACHE_SAMPLES) -> None:
        self._limit, self._samples = limit, 0
        self._kept: OrderedDict[str, Rendered] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, clause: str) -> Rendered | None:
        """A kept clause."""
        with self._lock:
            if clause in self._kept:
                self._kept.move_to_end(clause)
            return self._kept.get(clause)

    def put(self, clause: str, rendered: Rendered) -> None:
        """Keep a clause; the ones not used for longest make room."""
        with self._lock:
            if clause in self._kept or len(rendered.pcm) > self._limit:
                return
            self._kept[clause] = rendered
            self._samples += len(rendered.pcm)
            while self._samples > self._limit:
                _, oldest = self._kept.popitem(last=False)
                self._samples -= len(oldest.pcm)


class OfflineTextToSpeech:
    """The best synthesiser of this machine; shared by all calls."""

    name = "offline"

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine or find_engine()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="speech-synthesis")
        self._clauses = RenderedClauses()

    def describe(self) -> str:
        """Which synthesiser is in use, and what is missing."""
        return self._engine.describe()

    async def speak(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Stream the audio of a text. Raises ProviderError."""
        if len(text) > MAX_TEXT:
            raise ProviderError("offline", "protocol", f"a text has at most {MAX_TEXT} characters.")
        offset = 0
        for clause in clauses(text):
            rendered = self._clauses.get(clause)
            if rendered is None:
                loop = asyncio.get_running_loop()
                rendered = await loop.run_in_executor(self._threads, self._render, clause)
            if len(rendered.pcm):
                yield SpeechChunk(rendered.pcm, _later(rendered.words, offset / SAMPLE_RATE))
                offset += len(rendered.pcm)
        if not offset and text.strip():
            raise ProviderError("offline", "empty", f"{self.describe()}: nothing could be spoken.")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _render(self, clause: str) -> Rendered:
        rendered = self._engine.render(clause)
        self._clauses.put(clause, rendered)
        return rendered


def _later(words: tuple[Word, ...], by_s: float) -> tuple[Word, ...]:
    return tuple(Word(word.text, word.start_s + by_s, word.end_s + by_s) for word in words)
