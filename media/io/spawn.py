"""Starts a media process, and carries commands and events between it and us."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Collection, Sequence

from .. import MediaError, plane
from . import wire
from .client import CLOSE_S, MediaPlane
from .process import READY
from .transport import Kind

READ = 1 << 20  # octets taken from the socket at a time
START_S = 15.0
ONE_THREAD = "import os; os.putenv('OPENBLAS_NUM_THREADS', '1')"
"""Run before NumPy is loaded: a tick that waits for a helper thread of its waits milliseconds."""


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

    def send(self, commands: Sequence[plane.Asked]) -> None:
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
