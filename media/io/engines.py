"""Several media processes, one engine in each: new streams go to the least loaded one.

Each engine has its own share of the ports and of the streams, so no two of them need to agree on
anything. One that dies takes its streams with it and no others; another is started in its place.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict, Unpack

from .. import MediaError, plane
from .client import MediaPlane
from .spawn import spawn_media_process
from .stream import MediaStream

log = logging.getLogger(__name__)

MAX_BUSY = 0.8
"""Of a core: beyond, an engine takes no more streams."""
MAX_LATE = 0.1
"""Of the ticks: the same."""
STREAM_BUSY = 0.001
"""What a stream adds to `busy` that its engine has not told about yet."""
STEADY_S = 30.0  # an engine that lived so long died by accident; another is started at once
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between the starts of engines that die young
CHECK_S, HUNG_CHECKS = 1.0, 6  # an engine that tells nothing for so many checks hangs


class StreamOptions(TypedDict, total=False):
    """What `MediaPlane.open` takes besides the stream's name and address."""

    folder: str | None
    record: bool
    capture: bool
    media_timeout_s: float
    end_after_s: float | None


class Spawn(Protocol):
    """Starts a media process, as `spawn_media_process` does."""

    def __call__(
        self,
        *,
        ports: tuple[int, int],
        capacity: int,
        on_fault: Callable[[str], None],
        resting: list[int],
    ) -> Awaitable[MediaPlane]:
        """Raises MediaError."""


@dataclass(slots=True)
class Share:
    """What one media process has of ports and streams; it outlives the process."""

    number: int
    ports: tuple[int, int]
    capacity: int
    media: MediaPlane | None = None
    """None between the death of one process and the start of the next."""
    deaths: int = 0
    failures: int = field(default=0, repr=False)
    """Deaths and failed starts in a row."""
    started_at: float = field(default=0.0, repr=False)
    silent: int = field(default=0, repr=False)
    """Checks since it last told how it fares."""
    seen: float = field(default=0.0, repr=False)

    @property
    def load(self) -> plane.EngineLoad:
        """What it told last."""
        return self.media.load if self.media else plane.EngineLoad()

    @property
    def held(self) -> int:
        """How many streams it has."""
        return self.media.held if self.media else 0

    @property
    def busy(self) -> float:
        """Its load, with the streams that it has not told about."""
        return self.load.busy + STREAM_BUSY * max(self.held - self.load.streams, 0)

    @property
    def hangs(self) -> bool:
        """It has not told of itself for so long that it should not be relied on."""
        return self.silent > HUNG_CHECKS // 2


def shared(ports: tuple[int, int], capacity: int, processes: int) -> list[Share]:
    """Ports and streams divided among processes; no more processes than streams.

    Where there are two ports for each stream, there are in each share.
    """
    first, last = ports
    pairs, count = (last - first + 1) // 2, max(min(processes, capacity), 1)
    found = []
    for number in range(count):
        last = first + 2 * (pairs // count + (number < pairs % count)) - 1
        streams = capacity // count + (number < capacity % count)
        found.append(Share(number, (first, last), streams))
        first = last + 1
    return found


class MediaEngines:
    """All media processes of a runtime, with the verbs of one."""

    def __init__(
        self,
        *,
        ports: tuple[int, int],
        capacity: int,
        processes: int,
        spawn: Spawn = spawn_media_process,
    ) -> None:
        self.engines = shared(ports, capacity, processes)
        self._spawn = spawn
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every engine. Raises MediaError, with none left running, if one does not start."""
        starts = [self._start(engine, []) for engine in self.engines]
        for failure in await asyncio.gather(*starts, return_exceptions=True):
            if failure:
                await self.close()
                raise failure
        self._keep(self._watch())

    async def open(
        self,
        stream: str,
        host: str,
        *,
        on_event: Callable[[plane.Event], None],
        beside: MediaStream | None = None,
        **options: Unpack[StreamOptions],
    ) -> MediaStream:
        """Open an RTP stream on the least loaded engine that can. Raises MediaError.

        `beside` is a stream that it is to be bridged with: it has to be on the same engine.
        """
        if full := self.full():
            raise MediaError(full)
        failure = MediaError("no media process took the stream")
        able = [engine.media for engine in self._ready() if engine.media]
        if beside:
            able = [media for media in able if media.carries(beside)]
            failure = MediaError("the media process of the other stream takes no more")
        for media in able:
            try:
                return await media.open(stream, host, on_event=on_event, **options)
            except MediaError as error:
                failure = error
        raise failure

    def full(self) -> str | None:
        """Why no stream can be opened now; None: one can."""
        if next(self._ready(), None):
            return None
        up = [engine for engine in self.engines if engine.media and not engine.hangs]
        if not up:
            return "no media process runs; one is being started"
        free = [engine for engine in up if engine.held < engine.capacity]
        if not free:
            return f"all {sum(engine.capacity for engine in up)} media streams are in use"
        least = min(free, key=lambda engine: engine.busy)
        return (
            f"the media processes are at their limit: the least loaded is {least.busy:.0%} busy, "
            f"and {least.load.late:.0%} of its ticks are late"
        )

    async def close(self) -> None:
        """End every engine."""
        await asyncio.sleep(0)  # a task that has not begun would not reap its process
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        up = [engine.media for engine in self.engines if engine.media]
        await asyncio.gather(*(media.close() for media in up))

    def _ready(self) -> Iterator[Share]:
        """Engines that can take a stream, the least loaded first; the emptier of two alike."""
        able = [
            engine
            for engine in self.engines
            if engine.media
            and engine.held < engine.capacity
            and engine.busy <= MAX_BUSY
            and engine.load.late <= MAX_LATE
            and not engine.hangs
        ]
        return iter(sorted(able, key=lambda engine: (int(10 * engine.busy), engine.held)))

    async def _start(self, engine: Share, resting: list[int]) -> None:
        """Put a process in its place. Raises MediaError."""

        def on_fault(why: str) -> None:
            if engine.media:
                self._lose(engine, engine.media, why)

        engine.media = await self._spawn(
            ports=engine.ports, capacity=engine.capacity, on_fault=on_fault, resting=resting
        )
        engine.started_at = asyncio.get_running_loop().time()
        engine.silent = 0

    def _lose(self, engine: Share, media: MediaPlane, why: str) -> None:
        """An engine died: put another in its place."""
        lived_s = asyncio.get_running_loop().time() - engine.started_at
        engine.media = None
        engine.deaths += 1
        if lived_s >= STEADY_S:
            engine.failures = 0
        log.error(
            "a media process died",
            extra={"why": why, "engine": engine.number, "streams": media.held, "lived_s": lived_s},
        )
        self._keep(self._replace(engine, media))

    async def _replace(self, engine: Share, dead: MediaPlane) -> None:
        resting = dead.warm_ports()
        await dead.close()
        while True:
            if engine.failures:
                pause_s = FIRST_PAUSE_S * 2 ** min(engine.failures - 1, 10)
                await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))
            engine.failures += 1
            try:
                await self._start(engine, resting)
            except MediaError as error:
                about = {"why": error, "engine": engine.number, "failures": engine.failures}
                log.error("a media process cannot be started", extra=about)
            else:
                log.warning("a media process was replaced", extra={"engine": engine.number})
                return

    async def _watch(self) -> None:
        """Kill an engine that hangs: its callers hear nothing, and no other takes its place."""
        while True:
            await asyncio.sleep(CHECK_S)
            for engine in self.engines:
                told = engine.load.at
                engine.silent = engine.silent + 1 if engine.media and told == engine.seen else 0
                engine.seen = told
                if engine.silent >= HUNG_CHECKS and engine.media and engine.media.pid:
                    log.error("a media process hangs", extra={"engine": engine.number})
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(engine.media.pid, signal.SIGKILL)

    def _keep(self, life: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
