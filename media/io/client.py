"""The control plane's side of the media plane: asyncio, the same verbs wherever the engine runs."""

import asyncio
import contextlib
import logging
import socket
import sys
from collections import deque
from collections.abc import Callable, Collection
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...codecs.tones import DTMF
from ...codecs.wideband import require
from .. import MediaError, plane
from ..feed import PlayoutFeed
from ..keys import MAX_WAITING
from ..quality import StreamReport
from ..sdp import Dtls, Negotiated, Sdes
from . import wire
from .ports import QUARANTINE_S
from .process import READY
from .transport import Kind

log = logging.getLogger(__name__)

T = TypeVar("T")

READ = 1 << 20  # octets taken from the socket at a time
START_S = 15.0
ONE_THREAD = "import os; os.putenv('OPENBLAS_NUM_THREADS', '1')"
"""Run before NumPy is loaded: a tick that waits for a helper thread of its waits milliseconds."""
CLOSE_S = 5.0
MAX_FREED = 4_096  # ports remembered for QUARANTINE_S after their streams


class Link(Protocol):
    """Where commands go."""

    def send(self, commands: list[plane.Command]) -> None:
        """Send commands at once."""
        ...

    async def close(self) -> None:
        """End the engine."""
        ...


class MediaStream:
    """One open RTP stream."""

    def __init__(self, media: "MediaPlane", opened: plane.Opened) -> None:
        self.id = opened.stream
        self.port = opened.port
        """RTP is received here, RTCP on the next port."""
        self.fingerprint = opened.fingerprint
        """Of the certificate that a DTLS handshake shows."""
        self._media = media
        self._feed = PlayoutFeed(opened.stream)

    def configure(self, agreed: Negotiated) -> None:
        """Apply the outcome of an offer/answer. Raises WidebandUnavailable."""
        require(agreed.codec)
        keys = agreed.security if isinstance(agreed.security, Sdes) else None
        dtls = agreed.security if isinstance(agreed.security, Dtls) else None
        self._send(
            plane.ConfigureStream(
                stream=self.id,
                remote_host=agreed.remote_host,
                remote_port=agreed.remote_port,
                remote_rtcp_port=agreed.remote_rtcp_port,
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                event_payload_type=agreed.event_payload_type,
                event_clock_rate=agreed.event_clock_rate,
                direction=agreed.direction,
                ptime_ms=agreed.ptime_ms,
                comfort_noise_payload_type=agreed.comfort_noise_payload_type,
                srtp=(keys.suite, keys.local_key, keys.remote_key) if keys else None,
                dtls=(dtls.active, dtls.association, dtls.fingerprints) if dtls else None,
                rtcp_mux=agreed.rtcp_mux,
            )
        )

    def play(self, generation: int, pcm: NDArray[np.int16]) -> None:
        """Append 8 kHz audio of any length to what is sent; a newer generation cuts the older."""
        self._send(*self._feed.play(generation, pcm))

    def end_play(self, generation: int) -> None:
        """No more audio comes for the generation; Played follows its last sample."""
        self._send(*self._feed.end(generation))

    def pause(self, generation: int) -> None:
        """Freeze playout; Paused follows."""
        self._send(plane.Pause(self.id, generation))

    def resume(self, generation: int, rewind: int = 0) -> None:
        """Go on, `rewind` samples before where playout was frozen."""
        self._send(plane.Resume(self.id, generation, rewind))

    def flush(self, generation: int) -> None:
        """Drop what has not left of the generation and older ones; Flushed follows."""
        self._feed.drop(generation)
        self._send(plane.Flush(self.id, generation))

    def send_digits(
        self, digits: str, *, tone_ms: int = 160, gap_ms: int = 80, in_band: bool = False
    ) -> None:
        """Press keys (0-9 * # A-D); what plays waits, DigitsSent follows. Raises ValueError."""
        if strange := set(digits.upper()) - set(DTMF):
            raise ValueError(
                f"{sorted(strange)} cannot be dialled: expected digits, *, # or A to D"
            )
        if len(digits) > MAX_WAITING:
            raise ValueError(f"{len(digits)} digits at once, expected at most {MAX_WAITING}")
        self._send(plane.SendDigits(self.id, digits, tone_ms, gap_ms, in_band))

    def capture_sip(
        self,
        *,
        at: float,
        source: tuple[str, int],
        destination: tuple[str, int],
        transport: Literal["udp", "tcp", "tls"],
        payload: bytes,
    ) -> None:
        """Write a SIP message into the capture; `at` is epoch seconds."""
        self._send(plane.CaptureSip(self.id, at, source, destination, transport, payload))

    async def close(self) -> StreamReport:
        """Close the stream; its files are complete afterwards."""
        return await self._media.close_stream(self.id)

    def take(self, event: plane.Event) -> list[plane.Command]:
        """Keep up with playout; gives what is to be sent."""
        match event:
            case plane.Room() | plane.Played():
                return self._feed.played(event.generation, event.samples)
        return []

    def _send(self, *commands: plane.Command) -> None:
        if commands:
            self._media.send(list(commands))


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

    def send(self, commands: list[plane.Command]) -> None:
        """Send commands at once; after a loss they go nowhere."""
        commands, self._answers = self._answers + commands, []
        if not self._lost:
            self._link.send(commands)

    def answer(self) -> None:
        """Send what the streams have to say to the events dispatched, as one message."""
        if self._answers:
            self.send([])

    def dispatch(self, event: plane.Told) -> None:
        """Take one event of the engine; a batch is told to each stream's listener.

        To be followed by `answer`, once for many events.
        """
        match event:
            case plane.HeardBatch():
                for heard in event.each():
                    self._tell(heard.stream, heard)
            case plane.Opened():
                _settle(self._opening.get(event.stream), event)
            case plane.OpenFailed():
                _settle(self._opening.get(event.stream), MediaError(event.reason))
            case plane.Closed():
                _settle(self._closing.get(event.stream), event.report)
            case plane.EngineLoad():
                self.load = event
            case _:
                if stream := self._streams.get(event.stream):
                    self._answers += stream.take(event)
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


class _ProcessLink:
    """The socket to a media process, and the process."""

    def __init__(self, end: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._socket = end
        self._process = process
        self._unsent = bytearray()
        self.pid = process.pid

    @classmethod
    async def to_new_process(cls, arguments: list[str]) -> "_ProcessLink":
        """Start a media process. Raises MediaError."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # The child finds the package where this process found it, installed or not.
        path = f"import sys; sys.path[:] = {sys.path!r}"
        code = f"{ONE_THREAD}; {path}; from {__package__}.process import main; main()"
        with contextlib.ExitStack() as unowned, contextlib.closing(theirs):
            unowned.callback(ours.close)  # until there is a link that closes it
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-c", code, "--fd", str(theirs.fileno()), *arguments),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                )
            except OSError as error:
                raise MediaError(f"a media process cannot be started: {error.strerror}") from error
            unowned.pop_all()
        return cls(ours, process)

    async def is_ready(self) -> bool:
        """Wait until the process serves; one that does not is ended."""
        ready = b""
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(TimeoutError):
                ready = await asyncio.wait_for(loop.sock_recv(self._socket, 1), START_S)
        finally:
            if ready != READY:
                await self.close()
        return ready == READY

    def read(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """Tell what the process says, and when it is gone."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                data = self._socket.recv(READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                on_data(data)
                return
            loop.remove_reader(self._socket.fileno())
            on_end()

        loop.add_reader(self._socket.fileno(), read)

    def send(self, commands: list[plane.Command]) -> None:
        self._unsent += wire.pack(commands)
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
            loop.remove_writer(self._socket.fileno())
        except BlockingIOError:
            loop.add_writer(self._socket.fileno(), self._flush)
        except OSError:
            self._unsent.clear()  # the reader learns of the loss

    async def close(self) -> None:
        if self._socket.fileno() >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            loop.remove_writer(self._socket.fileno())
            self._socket.close()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), CLOSE_S)
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()


async def spawn_media_process(
    *,
    ports: tuple[int, int],
    capacity: int,
    on_fault: Callable[[str], None],
    sockets: Kind = "auto",
    resting: Collection[int] = (),
) -> MediaPlane:
    """Start a media process. `on_fault` is told when it dies. Raises MediaError.

    RTP ports in `resting` were in use a moment ago: they are not given out at once.
    """
    arguments = ["--ports", *map(str, ports), "--capacity", str(capacity)]
    arguments += ["--sockets", sockets, "--resting", *map(str, resting)]
    link = await _ProcessLink.to_new_process(arguments)
    if not await link.is_ready():
        raise MediaError("the media process did not start; its last words are in the log")
    media = MediaPlane(link)
    media.pid = link.pid
    unpacker = wire.Unpacker()

    def on_data(data: bytes) -> None:
        for event in unpacker.feed(data):
            media.dispatch(event)
        media.answer()

    def on_end() -> None:
        why = f"the media process {link.pid} died"
        media.lose(why)
        on_fault(why)

    link.read(on_data, on_end)
    return media
