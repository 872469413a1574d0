"""SIP over TCP: connections in and out, framed, bounded, each on its own (RFC 3261 §18)."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from ..errors import SipParseError
from ..message import StreamParser
from ..message.parser import PING, PONG
from ..transport import Hop, Transmission

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 512
CONNECT_S = 5.0
HEADER_S = 10.0  # a message that has begun must be whole by then
UNSENT = 1024 * 1024  # octets; a peer that reads nothing is dropped
READ = 65_536


class TcpConnections:
    """Every TCP connection of an endpoint, by far end."""

    def __init__(
        self, received: Callable[[bytes, Hop], None], failed: Callable[[Transmission], None]
    ) -> None:
        self._received = received
        self._failed = failed
        self._server: asyncio.Server | None = None
        self._writers: dict[Hop, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: dict[Hop, list[Transmission]] = {}

    async def listen(self, listener: socket.socket) -> None:
        """Accept connections."""
        listener.listen(256)
        self._server = await asyncio.start_server(self._accept, sock=listener)

    def send(self, transmission: Transmission) -> None:
        """Send over the open flow, or connect first."""
        route = transmission.route
        for hop in (route.flow, route.hop):
            writer = self._writers.get(hop) if hop else None
            if hop and writer and not writer.is_closing():
                self._write(hop, writer, transmission)
                return
        waiting = self._connecting.get(route.hop)
        if waiting is not None:
            waiting.append(transmission)
            return
        self._connecting[route.hop] = [transmission]
        self._own(self._connect(route.hop))

    async def close(self) -> None:
        """Close every connection."""
        if self._server:
            self._server.close()
        for writer in list(self._writers.values()):
            writer.transport.abort()  # its reader sees the end and leaves
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_CONNECTIONS:
            log.warning("SIP connection refused: too many are open")
            writer.close()
            return
        await self._serve(reader, writer)

    async def _connect(self, hop: Hop) -> None:
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(hop.host, hop.port), CONNECT_S
            )
        except (OSError, TimeoutError) as error:
            log.warning("SIP cannot connect", extra={"to": f"{hop.host}:{hop.port}", "why": error})
            for transmission in self._connecting.pop(hop, []):
                self._failed(transmission)
            return
        self._writers[hop] = writer
        for transmission in self._connecting.pop(hop, []):
            self._write(hop, writer, transmission)
        await self._serve(reader, writer)

    def _write(self, hop: Hop, writer: asyncio.StreamWriter, transmission: Transmission) -> None:
        if writer.transport.get_write_buffer_size() > UNSENT:
            log.warning("SIP peer reads nothing", extra={"to": f"{hop.host}:{hop.port}"})
            writer.transport.abort()
            self._failed(transmission)
            return
        writer.write(transmission.data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")
        peer = Hop("tcp", address[0], address[1])
        self._writers[peer] = writer
        try:
            await self._read(reader, writer, peer)
        except (OSError, TimeoutError) as error:
            log.info("SIP connection ended", extra={"peer": peer.host, "why": repr(error)})
        except SipParseError as error:
            log.warning("SIP stream closed", extra={"peer": peer.host, "why": error})
        finally:
            for hop in [hop for hop, known in self._writers.items() if known is writer]:
                del self._writers[hop]
            with contextlib.suppress(OSError):
                writer.close()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Hop
    ) -> None:
        """Pass whole messages on. Raises SipParseError when the stream cannot be framed.

        A message that has begun has one deadline, however it drips in; so has the first one.
        """
        loop = asyncio.get_running_loop()
        parser = StreamParser()
        until: float | None = loop.time() + HEADER_S
        while True:
            patience = None if until is None else max(until - loop.time(), 0.0)
            data = await asyncio.wait_for(reader.read(READ), patience)
            if not data:
                return
            pieces = parser.feed(data)
            if pieces or until is None:
                until = loop.time() + HEADER_S if parser.partial else None
            for piece in pieces:
                if piece == PING:
                    writer.write(PONG)
                else:
                    self._received(piece, peer)
            if parser.lost:
                raise SipParseError(parser.lost)
