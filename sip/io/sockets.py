"""Every socket of one endpoint: which listen, and by which one a message leaves."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ..errors import SipListenError
from ..transport import Hop, Transmission, Transport
from .streams import Streams
from .tls import TlsContexts
from .udp import UdpSocket

RECEIVE_BUFFER = 4 * 1024 * 1024
PORT_TRIES = 16


@dataclass(frozen=True, slots=True)
class Listen:
    """A further address to listen on."""

    transport: Transport
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Wires:
    """Whom the sockets tell what came, what left and what could not leave."""

    received: Callable[[bytes, Hop], None]
    sent: Callable[[Transmission, Hop], None]
    failed: Callable[[Transmission, str], None]
    knows: Callable[[Hop], bool]


class Sockets:
    """UDP sockets by IP version, and every stream."""

    def __init__(self, wires: Wires, tls: TlsContexts) -> None:
        self._wires = wires
        self._udp: dict[bool, UdpSocket] = {}
        """By whether it is IPv6."""
        self._main: UdpSocket | None = None
        self.streams = Streams(wires.received, wires.sent, wires.failed, wires.knows, tls)

    async def open(self, main: "Pair", further: Sequence[Listen]) -> None:
        """Listen on the main address and on `further` ones. Raises SipListenError."""
        self._main = self._add_udp(main.udp)
        await self.streams.listen(main.tcp)
        for one in further:
            if one.transport == "udp":
                self._add_udp(bound(socket.SOCK_DGRAM, one.host, one.port))
            else:
                stream = bound(socket.SOCK_STREAM, one.host, one.port)
                await self.streams.listen(stream, secure=one.transport == "tls")

    def send(self, transmission: Transmission) -> None:
        """Send by whatever leads to the far end."""
        hop = transmission.route.flow or transmission.route.hop
        if hop.transport != "udp":
            self.streams.send(transmission)
            return
        one = self._udp.get(hop.is_ipv6) if _is_address(hop.host) else self._main
        if one is None:
            version = 6 if hop.is_ipv6 else 4
            self._wires.failed(transmission, f"we have no IPv{version} address")
            return
        one.send(transmission)

    async def close(self) -> None:
        """Close everything."""
        for one in self._udp.values():
            one.close()
        await self.streams.close()

    def _add_udp(self, one: socket.socket) -> UdpSocket:
        wires = self._wires
        opened = UdpSocket(one, wires.received, wires.sent, wires.failed)
        self._udp[one.family == socket.AF_INET6] = opened
        return opened


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Pair:
    """A UDP and a listening TCP socket on the same port."""

    udp: socket.socket
    tcp: socket.socket

    @classmethod
    def bind(cls, host: str, port: int) -> "Pair":
        """Port 0 takes any that is free for both. Raises SipListenError."""
        for _ in range(PORT_TRIES):
            udp = bound(socket.SOCK_DGRAM, host, port)
            try:
                return cls(udp, bound(socket.SOCK_STREAM, host, udp.getsockname()[1]))
            except SipListenError:
                udp.close()
                if port:
                    raise
        raise SipListenError(f"No port of {host} is free for SIP on both UDP and TCP.")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self.udp.getsockname()[:2]
        return str(host), int(port)


def bound(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    """A socket on an address. Raises SipListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, kind)
    one.setblocking(False)
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        one.bind((host, port))
    except OSError as error:
        one.close()
        name = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
        raise SipListenError(
            f"SIP cannot listen on {name} port {port} of {host}: {error.strerror}. "
            "Stop the program that uses it, or set RUNTIME_SIP_HOST and RUNTIME_SIP_PORT."
        ) from error
    return one
