"""The way from the line to the transcriber and back, as one task.

Audio that comes before the transcriber is connected is kept (bounded) and handed over then, so that
no first word is lost. Transcripts come back timed on the line's heard clock.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..base.clock import Clock
from ..media.plane import Heard
from ..providers.protocols import Pcm, ProviderError, SpeechToText, SttStream, Transcript, Word
from .events import ProviderDown, TranscriptHeard, TurnEvent
from .timing import seconds

WAITING_FRAMES = 750  # events of audio kept for a transcriber that is still connecting: 15 s


class Ears:
    """One recognition stream of one conversation."""

    def __init__(
        self, stt: SpeechToText, clock: Clock, on_event: Callable[[TurnEvent], None]
    ) -> None:
        self._stt = stt
        self._clock = clock
        self._on_event = on_event
        self._stream: SttStream | None = None
        self._waiting: deque[tuple[int, Pcm]] = deque(maxlen=WAITING_FRAMES)
        self._finalize_waits = False
        self._offset_s: float | None = None

    def hear(self, heard: Heard) -> None:
        """Hand over what the caller said."""
        pcm = heard.pcm.reshape(-1)
        if self._stream is None:
            self._waiting.append((heard.sample, pcm))
        else:
            self._send(self._stream, heard.sample, pcm)

    def finalize(self) -> None:
        """Ask for everything that was understood, now."""
        if self._stream is None:
            self._finalize_waits = True
        else:
            self._stream.finalize()

    async def run(self) -> None:
        """Listen until cancelled, or until the transcriber fails, which is told."""
        try:
            async with self._stt.open() as stream:
                self._connect(stream)
                async for transcript in stream:
                    timed = _shifted(transcript, self._offset_s or 0.0)
                    self._on_event(TranscriptHeard(self._clock.monotonic(), timed))
            error = ProviderError(self._stt.name, "close_early", "the stream ended during the call")
        except ProviderError as failure:
            error = failure
        except Exception as bug:
            # A vendor's bug must not take the call with it.
            error = ProviderError(self._stt.name, "protocol", repr(bug))
        finally:
            self._stream = None
        now = self._clock.monotonic()
        failed = ProviderDown(now, "transcriber", 0, self._stt.name, error.kind, str(error))
        self._on_event(failed)

    def _connect(self, stream: SttStream) -> None:
        self._stream = stream
        while self._waiting:
            self._send(stream, *self._waiting.popleft())
        if self._finalize_waits:
            stream.finalize()

    def _send(self, stream: SttStream, sample: int, pcm: Pcm) -> None:
        if self._offset_s is None:
            self._offset_s = seconds(sample)
        stream.send(pcm)


def _shifted(transcript: Transcript, offset_s: float) -> Transcript:
    words = tuple(
        Word(word.text, word.start_s + offset_s, word.end_s + offset_s) for word in transcript.words
    )
    start_s, end_s = transcript.start_s + offset_s, transcript.end_s + offset_s
    return replace(transcript, start_s=start_s, end_s=end_s, words=words)
