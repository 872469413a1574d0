"""Serving: one event loop for SIP, calls and the REST API, until a signal says stop."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import uvicorn

from ..base.errors import ConfigurationError
from . import logs
from .build import Runtime, runtime
from .settings import Settings

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours end the calls first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, announce: Callable[[Runtime, Settings], None]) -> None:
    """Run until a stop signal. `announce` is called once everything is ready. Raises AywaError."""
    logs.configure(settings.log_level)
    for warning in settings.warnings:
        log.warning(warning)
    wish = _Wish()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, wish.leave)
    loop.add_signal_handler(signal.SIGINT, wish.stop_now)
    listener = _listen(settings)
    with contextlib.closing(listener):
        async with runtime(settings) as built:
            server = _Server(
                uvicorn.Config(
                    built.app,
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    timeout_graceful_shutdown=3,
                    h11_max_incomplete_event_size=64 * 1024,
                )
            )
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stopping = asyncio.create_task(_drained(wish, built, settings.drain_s))
            # What was made until now stays: a full collection would go through all of it, and
            # hold up whatever a caller says in those 30 ms.
            gc.collect()
            gc.freeze()
            announce(built, settings)
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping")
            server.should_exit = True
            stopping.cancel()
            await serving


class _Wish:
    """What the operator wants: to leave once the calls are over, or to stop now."""

    def __init__(self) -> None:
        self.leaving = asyncio.Event()
        self.stopping = asyncio.Event()

    def leave(self) -> None:
        """A first time: take no more calls and let the live ones end. A second: stop now."""
        if self.leaving.is_set():
            self.stopping.set()
        self.leaving.set()

    def stop_now(self) -> None:
        """End everything."""
        self.leaving.set()
        self.stopping.set()


async def _drained(wish: _Wish, built: Runtime, patience_s: float) -> None:
    """Return when the runtime may stop. The REST API goes on answering until then."""
    await wish.leaving.wait()
    log.info("leaving: no more calls are taken", extra={"live": built.desk.live_count()})
    over = asyncio.create_task(built.desk.drain(patience_s))
    hurry = asyncio.create_task(wish.stopping.wait())
    try:
        await asyncio.wait({over, hurry}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.cancel()
        hurry.cancel()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.http_host, settings.http_port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"The REST API cannot listen on {settings.http_host} port {settings.http_port}: "
            f"{error.strerror}. Stop the program that uses it, or set RUNTIME_HTTP_PORT."
        ) from error
    listener.setblocking(False)
    return listener


def run(settings: Settings, announce: Callable[[Runtime, Settings], None]) -> None:
    """`serve` on the fastest event loop there is. Raises AywaError."""
    if sys.platform == "win32":
        asyncio.run(serve(settings, announce))
        return
    import uvloop

    uvloop.run(serve(settings, announce))
