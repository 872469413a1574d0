"""The recognition workers as the control process sees them: started, fed, read, restarted.

Audio for a worker that falls behind is bounded per stream: the oldest goes first, and is counted.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..protocols import SAMPLE_RATE, ProviderError
from .wire import Frame, Kind, Unframer, WireError

MAX_WAITING = 4 * SAMPLE_RATE  # samples of one stream that wait for a worker
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 2.0
RESTART_PAUSE_S = (0.2, 1.0, 5.0)  # before the first, second and every further restart in a row
RECEIVE_SIZE = 65_536  # bytes

# The child finds the packages where this process found them, installed or not.
_BOOT = """
import json, sys
path, descriptor, keep, silence = json.loads(sys.argv[1])
sys.path[:] = path
from aywa.providers.offline.worker import run
run(descriptor, keep, silence)
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """How much recognition a machine does at once."""

    workers: int = 1
    """Processes; one hears about ten people speaking at once."""
    keep: int = 2
    """Idle recognisers kept per process and vocabulary, some 16 MB each."""
    end_silence_s: float = 0.7
    """Silence after which an utterance is over, if nobody asks earlier."""


@dataclass(slots=True)
class Channel:
    """One open stream: what waits to be sent, and who takes the answers."""

    folder: Path
    on_answer: Callable[[Frame], None]
    on_lost: Callable[[], None]
    waiting: deque[Frame] = field(default_factory=deque)
    waiting_samples: int = 0
    dropped_samples: int = 0

    def push(self, frame: Frame) -> None:
        """Queue a message; the oldest audio gives way to the newest."""
        self.waiting.append(frame)
        self.waiting_samples += len(frame.body) // 2 if frame.kind is Kind.AUDIO else 0
        while self.waiting_samples > MAX_WAITING:
            oldest = next(i for i, f in enumerate(self.waiting) if f.kind is Kind.AUDIO)
            lost = len(self.waiting[oldest].body) // 2
            del self.waiting[oldest]
            self.waiting_samples -= lost
            self.dropped_samples += lost

    def pop_all(self) -> list[Frame]:
        """Take everything that waits."""
        frames = list(self.waiting)
        self.waiting.clear()
        self.waiting_samples = 0
        return frames


class RecognitionWorker:
    """One child process and the streams it serves; started again when it dies."""

    def __init__(self, settings: RecognitionSettings, warm: Path) -> None:
        self._settings, self._warm = settings, warm
        self._channels: dict[int, Channel] = {}
        self._wakeup = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.restarts = 0
        self.memory = 0
        """Bytes the process held when it was ready."""
        self.pid: int | None = None

    @property
    def load(self) -> int:
        """Streams that are open here."""
        return sum(stream > 0 for stream in self._channels)

    @property
    def is_ready(self) -> bool:
        """Whether the process runs and has loaded its vocabulary."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        """Wait until the process, started again if need be, can serve."""
        await self._ready.wait()

    async def start(self) -> None:
        """Start the process and wait until it is warm. Raises ProviderError."""
        self._task = asyncio.create_task(self._keep_running(), name="speech recognition worker")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self.until_ready()
        except TimeoutError:
            await self.close()
            raise ProviderError(
                "offline", "connect", f"the recognition worker took over {START_TIMEOUT_S:g} s."
            ) from None

    async def close(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def attach(self, stream: int, channel: Channel) -> None:
        """Serve a stream."""
        self._channels[stream] = channel
        self.push(stream, Frame(Kind.OPEN, stream, json.dumps(str(channel.folder)).encode()))

    def push(self, stream: int, frame: Frame) -> None:
        """Send a message of an attached stream as soon as the worker takes it."""
        if channel := self._channels.get(stream):
            channel.push(frame)
            self._wakeup.set()

    def detach(self, stream: int) -> None:
        """Serve a stream no more."""
        if self._channels.pop(stream, None) is not None:
            # What still waits is of no use; only the end of the stream is told. It goes under the
            # negative number, which no answer ever finds.
            channel = Channel(Path(), lambda _: None, lambda: None)
            channel.push(Frame(Kind.CLOSE, stream))
            self._channels[-stream] = channel
            self._wakeup.set()

    async def _keep_running(self) -> None:
        failures = 0
        while True:
            was_ready = await self._run_once()
            failures = 0 if was_ready else failures + 1
            self.restarts += 1
            log.error("speech recognition worker died, starting it again: pid=%s", self.pid)
            await asyncio.sleep(RESTART_PAUSE_S[min(failures, len(RESTART_PAUSE_S) - 1)])

    async def _run_once(self) -> bool:
        """Run one process to its death; whether it ever became ready."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await self._spawn(theirs)
        self.pid = process.pid
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        writer.write(bytes(Frame(Kind.LOAD, 0, json.dumps(str(self._warm)).encode())))
        pump = asyncio.create_task(self._pump(writer), name="speech recognition audio")
        try:
            await self._read(reader)
        finally:
            was_ready = self._ready.is_set()
            self._ready.clear()
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            await _ended(process)
            self._lose_all()
        return was_ready

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        settings = self._settings
        plan = [sys.path, theirs.fileno(), settings.keep, settings.end_silence_s]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", _BOOT, json.dumps(plan), pass_fds=[theirs.fileno()]
        )

    async def _pump(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._wakeup.wait()
            self._wakeup.clear()
            for stream, channel in list(self._channels.items()):
                for frame in channel.pop_all():
                    writer.write(bytes(frame))
                if stream < 0:
                    del self._channels[stream]
                await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        unframer = Unframer()
        with contextlib.suppress(ConnectionError, WireError):
            while data := await reader.read(RECEIVE_SIZE):
                for frame in unframer.feed(data):
                    self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.READY:
            self.memory = int(json.loads(frame.body)["memory"])
            self._ready.set()
        elif frame.stream == 0:
            log.error("speech recognition worker cannot load: %s", frame.body.decode())
        elif channel := self._channels.get(frame.stream):
            channel.on_answer(frame)

    def _lose_all(self) -> None:
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.on_lost()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Give the process a moment to end by itself, as its socket is closed."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
