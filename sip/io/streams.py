"""SIP over TCP and TLS: connections in and out, framed, bounded, each on its own (RFC 3261 §18)."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from ..errors import SipParseError
from ..message import StreamParser
from ..message.parser import PING, PONG
from ..transport import Hop, Transmission
from .tls import TlsContexts, TlsRefused, check_peer

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 512
MAX_OF_A_STRANGER = 4
"""Connections from one address that is no known peer's."""
CONNECT_S = 5.0
IDLE_S = 3_600.0  # a connection without a message or keep-alive for so long is closed
HEADER_S = 10.0  # a message that has begun must be whole by then
UNSENT = 1024 * 1024  # octets; a peer that reads nothing is dropped
READ = 65_536
REMEMBERED = 64  # requests of one connection that fail with it


@dataclass(eq=False, slots=True)
class _Connection:
    peer: Hop
    writer: asyncio.StreamWriter
    requests: deque[Transmission] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """What was sent last: a transaction that still waits for an answer to it fails with us."""


class Streams:
    """Every TCP and TLS connection of an endpoint, by far end."""

    def __init__(
        self,
        received: Callable[[bytes, Hop], None],
        sent: Callable[[Transmission, Hop], None],
        failed: Callable[[Transmission, str], None],
        knows: Callable[[Hop], bool],
        tls: TlsContexts,
    ) -> None:
        """`knows` tells peers from strangers."""
        self._received = received
        self._sent = sent
        self._failed = failed
        self._knows = knows
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._open: dict[Hop, _Connection] = {}
        self._connecting: dict[Hop, list[Transmission]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, listener: socket.socket, *, secure: bool = False) -> None:
        """Accept connections. Raises SipListenError for TLS without a certificate."""
        if secure:
            server = await asyncio.start_server(
                self._accept_tls,
                sock=listener,
                backlog=256,
                ssl=self._tls.server,
                ssl_handshake_timeout=CONNECT_S,
            )
        else:
            server = await asyncio.start_server(self._accept, sock=listener, backlog=256)
        self._servers.append(server)

    def send(self, transmission: Transmission) -> None:
        """Send over the open flow, or connect first."""
        route = transmission.route
        for hop in (route.flow, route.hop):
            connection = self._open.get(hop) if hop else None
            if connection and not connection.writer.is_closing():
                self._write(connection, transmission)
                return
        waiting = self._connecting.get(route.hop)
        if waiting is not None:
            waiting.append(transmission)
        elif len(self._open) + len(self._connecting) >= MAX_CONNECTIONS:
            log.warning("SIP cannot connect: too many connections are open")
            self._failed(transmission, "too many connections are open")
        else:
            self._connecting[route.hop] = [transmission]
            self._own(self._connect(route.hop))

    async def close(self) -> None:
        """Close every connection."""
        for server in self._servers:
            server.close()
        for connection in list(self._open.values()):
            connection.requests.clear()
            connection.writer.transport.abort()  # its reader sees the end and leaves
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._take_in(reader, writer, secure=False)

    async def _accept_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._take_in(reader, writer, secure=True)

    async def _take_in(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
    ) -> None:
        address = writer.get_extra_info("peername")
        if address is None:  # gone before its turn came
            writer.close()
            return
        peer = Hop("tls" if secure else "tcp", address[0], address[1])
        if why := self._no_room_for(peer):
            log.warning("SIP connection refused", extra={"peer": peer.host, "why": why})
            writer.close()
            return
        await self._serve(reader, writer, peer, None)

    def _no_room_for(self, peer: Hop) -> str | None:
        if len(self._open) >= MAX_CONNECTIONS:
            return "too many are open"
        same = {id(known) for hop, known in self._open.items() if hop.host == peer.host}
        if len(same) >= MAX_OF_A_STRANGER and not self._knows(peer):
            return "a stranger has too many open"
        return None

    async def _connect(self, hop: Hop) -> None:
        secure = hop.transport == "tls"
        name = hop.server_name or hop.host
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(
                    hop.host,
                    hop.port,
                    ssl=self._tls.client if secure else None,
                    server_hostname=name if secure else None,
                ),
                CONNECT_S,
            )
        except (OSError, UnicodeError, TimeoutError) as error:  # SSLError is an OSError
            self._cannot_connect(hop, str(error) or "no answer")
            return
        try:
            if secure:
                check_peer(writer.get_extra_info("peercert"), hop)
        except TlsRefused as error:
            writer.transport.abort()
            self._cannot_connect(hop, str(error))
            return
        address = writer.get_extra_info("peername")
        if address is None:
            writer.close()
            self._cannot_connect(hop, "the connection closed at once")
            return
        await self._serve(reader, writer, Hop(hop.transport, address[0], address[1]), hop)

    def _cannot_connect(self, hop: Hop, why: str) -> None:
        log.warning("SIP cannot connect", extra={"to": f"{hop.host}:{hop.port}", "why": why})
        for transmission in self._connecting.pop(hop, []):
            self._failed(transmission, why)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: Hop,
        asked: Hop | None,
    ) -> None:
        """Read a connection to its end. `asked` is the hop that we connected to, maybe a name."""
        connection = _Connection(peer, writer)
        for hop in {peer, asked or peer}:
            self._open[hop] = connection
        for transmission in self._connecting.pop(asked, []) if asked else ():
            self._write(connection, transmission)
        try:
            await self._read(reader, connection, accepted=asked is None)
        except (OSError, TimeoutError) as error:
            log.info("SIP connection ended", extra={"peer": peer.host, "why": repr(error)})
        except SipParseError as error:
            log.warning("SIP stream closed", extra={"peer": peer.host, "why": error})
        finally:
            self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        for hop in [hop for hop, known in self._open.items() if known is connection]:
            del self._open[hop]
        connection.writer.close()
        while connection.requests:
            self._failed(connection.requests.popleft(), "the connection was closed")

    def _write(self, connection: _Connection, transmission: Transmission) -> None:
        writer, peer = connection.writer, connection.peer
        if writer.transport.get_write_buffer_size() > UNSENT:
            log.warning("SIP peer reads nothing", extra={"to": f"{peer.host}:{peer.port}"})
            writer.transport.abort()
            self._failed(transmission, "the peer reads nothing")
            return
        writer.write(transmission.data)
        self._sent(transmission, peer)
        if transmission.owner is not None and transmission.owner.machine.client:
            connection.requests.append(transmission)

    def _pong(self, connection: _Connection) -> None:
        if connection.writer.transport.get_write_buffer_size() <= UNSENT:
            connection.writer.write(PONG)

    async def _read(
        self, reader: asyncio.StreamReader, connection: _Connection, *, accepted: bool
    ) -> None:
        """Pass whole messages on. Raises SipParseError when the stream cannot be framed.

        A message that has begun has one deadline, however it drips in; so has the first one of a
        connection that the peer opened.
        """
        loop = asyncio.get_running_loop()
        parser = StreamParser()
        until: float | None = loop.time() + HEADER_S if accepted else None
        while True:
            patience = IDLE_S if until is None else max(until - loop.time(), 0.0)
            data = await asyncio.wait_for(reader.read(READ), patience)
            if not data:
                return
            pieces = parser.feed(data)
            for piece in pieces:
                if piece == PING:
                    self._pong(connection)
                else:
                    self._received(piece, connection.peer)
            if pieces or until is None:
                until = loop.time() + HEADER_S if parser.partial else None
            if parser.lost:
                raise SipParseError(parser.lost)
