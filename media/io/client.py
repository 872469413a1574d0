"""The control plane's side of one engine: asyncio, the same verbs wherever the engine runs."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .. import MediaError, plane
from ..quality import StreamReport
from .ports import QUARANTINE_S
from .stream import MediaStream

log = logging.getLogger(__name__)

T = TypeVar("T")

CLOSE_S = 5.0
MAX_FREED = 4_096  # ports remembered for QUARANTINE_S after their streams


class Link(Protocol):
    """Where commands go."""

    def send(self, commands: Sequence[plane.Asked]) -> None:
        """Send commands at once."""
        ...

    async def close(self) -> None:
        """End the engine."""
        ...


class MediaPlane:
    """The media plane as the control plane sees it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._listeners: dict[str, Callable[[plane.Event], None]] = {}
        self._streams: dict[str, MediaStream] = {}
        self._opening: dict[str, asyncio.Future[plane.Opened]] = {}
        self._closing: dict[str, asyncio.Future[StreamReport]] = {}
        self._freed: deque[tuple[int, float]] = deque(maxlen=MAX_FREED)
        self._answers: list[plane.Command] = []
        self._lost: str | None = None
        self.load = plane.EngineLoad()
        """What the engine said of itself last."""
        self.pid: int | None = None
        """The process that the engine runs in."""

    async def open(
        self,
        stream: str,
        host: str,
        *,
        on_event: Callable[[plane.Event], None],
        folder: str | None = None,
        record: bool = False,
        capture: bool = False,
        media_timeout_s: float = 10.0,
        end_after_s: float | None = None,
    ) -> MediaStream:
        """Open an RTP stream on `host`. Raises MediaError."""
        if self._lost:
            raise MediaError(self._lost)
        answer: asyncio.Future[plane.Opened] = asyncio.get_running_loop().create_future()
        self._opening[stream] = answer
        self._listeners[stream] = on_event
        opening = plane.OpenStream(
            stream, host, folder, record, capture, media_timeout_s, end_after_s
        )
        self.send([opening])
        try:
            where = await answer
            if self._lost:  # between its answer and now
                raise MediaError(self._lost)
        except BaseException:
            self._listeners.pop(stream, None)
            if not answer.done() or not answer.exception():
                self.send([plane.CloseStream(stream)])
            raise
        finally:
            self._opening.pop(stream, None)
        opened = self._streams[stream] = MediaStream(self, where)
        return opened

    def carries(self, stream: MediaStream) -> bool:
        """Whether the stream is open on this engine."""
        return self._streams.get(stream.id) is stream

    async def close_stream(self, stream: str) -> StreamReport:
        """Close a stream and wait for its files; an empty report if the media plane is lost."""
        if self._lost or stream not in self._streams:
            return StreamReport()
        answer: asyncio.Future[StreamReport] = asyncio.get_running_loop().create_future()
        self._closing[stream] = answer
        self.send([plane.CloseStream(stream)])
        try:
            return await asyncio.wait_for(answer, CLOSE_S)
        except TimeoutError:
            log.error("the media plane did not close a stream", extra={"stream": stream})
            return StreamReport()
        finally:
            for kept in (self._closing, self._listeners):
                kept.pop(stream, None)
            if closed := self._streams.pop(stream, None):
                self._freed.append((closed.port, asyncio.get_running_loop().time()))

    @property
    def held(self) -> int:
        """How many streams are open or being opened."""
        return len(self._streams) + len(self._opening)

    def warm_ports(self) -> list[int]:
        """RTP ports that peers may still send to: those in use, and those just freed."""
        since = asyncio.get_running_loop().time() - QUARANTINE_S
        ports = {port for port, at in self._freed if at >= since}
        return sorted(ports | {stream.port for stream in self._streams.values()})

    async def close(self) -> None:
        """End the media plane."""
        self._lost = self._lost or "the media plane was closed"
        await self._link.close()

    def send(self, commands: Sequence[plane.Asked]) -> None:
        """Send commands at once; after a loss they go nowhere."""
        commands = [*self._gathered(), *commands]
        if not self._lost:
            self._link.send(commands)

    def answer(self) -> None:
        """Send what the streams have to say to the events dispatched, as one message."""
        if self._answers:
            self.send([])

    def _gathered(self) -> list[plane.Asked]:
        """The answers that wait: the first Play of each stream at once, then what follows it."""
        plays: dict[str, plane.Play] = {}
        rest: list[plane.Asked] = []
        for answer in self._answers:
            if isinstance(answer, plane.Play) and answer.stream not in plays:
                plays[answer.stream] = answer
            else:
                rest.append(answer)
        self._answers = []
        return [plane.PlayBatch.of(list(plays.values())), *rest] if plays else rest

    def dispatch(self, event: plane.Told) -> None:
        """Take one event of the engine; a batch is told to each stream's listener.

        To be followed by `answer`, once for many events.
        """
        match event:
            case plane.HeardBatch():
                for heard in event.each():
                    self._tell(heard.stream, heard)
            case plane.RoomBatch():
                for room in event.each():
                    self._take(room)
            case plane.EngineLoad():
                self.load = event
            case plane.Opened() | plane.OpenFailed() | plane.Closed():
                self._settle(event)
            case _:
                self._take(event)
                self._tell(event.stream, event)

    def lose(self, why: str) -> None:
        """The engine is gone: whoever waits for it is told, and the owner of every stream."""
        if self._lost:
            return
        self._lost = why
        for opening in self._opening.values():
            _settle(opening, MediaError(why))
        for closing in self._closing.values():
            _settle(closing, StreamReport())
        for stream in list(self._streams):
            self._tell(stream, plane.StreamLost(stream, why))

    def _settle(self, event: plane.Opened | plane.OpenFailed | plane.Closed) -> None:
        """Tell who waits for it."""
        match event:
            case plane.Opened():
                _settle(self._opening.get(event.stream), event)
            case plane.OpenFailed():
                _settle(self._opening.get(event.stream), MediaError(event.reason))
            case plane.Closed():
                _settle(self._closing.get(event.stream), event.report)

    def _take(self, event: plane.Event) -> None:
        if stream := self._streams.get(event.stream):
            self._answers += stream.take(event)

    def _tell(self, stream: str, event: plane.Event) -> None:
        listener = self._listeners.get(stream)
        if listener is None:
            return
        try:
            listener(event)
        except Exception:  # a listener's bug must not deafen the other calls
            log.exception("a media listener failed", extra={"stream": stream})


def _settle(future: "asyncio.Future[T] | None", result: T | Exception) -> None:
    if future is None or future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
