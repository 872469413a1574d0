"""Pairs of bound UDP sockets: RTP on an even port, RTCP on the next.

Receive times are the kernel's own (SO_TIMESTAMPNS), so jitter is measured on the wire's clock and
not on the tick's.
"""

import contextlib
import errno
import socket
from dataclasses import dataclass

from .ports import PortPairs

SO_TIMESTAMPNS = 35  # Linux, x86 and Arm
RECEIVE_BUFFER = 256 * 1024
TRIES = 16


class NoPort(OSError):
    """No pair of ports is to be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sockets that are bound, and never wait."""

    rtp: socket.socket
    rtcp: socket.socket
    port: int


class Pairs:
    """Binds pairs of a range of ports."""

    def __init__(self, ports: PortPairs) -> None:
        self._ports = ports

    def bind(self, host: str, now: float) -> Pair:
        """Bind a free pair of ports. Raises NoPort."""
        for _ in range(TRIES):
            port = self._ports.take(now)
            if port is None:
                raise NoPort(
                    f"all {self._ports.total} pairs of RTP ports are in use or resting; "
                    "widen RUNTIME_RTP_PORTS"
                )
            try:
                return _bound(host, port)
            except OSError as error:
                self._ports.give_back(port, now)
                if error.errno != errno.EADDRINUSE:
                    raise NoPort(f"RTP cannot be received on {host}: {error.strerror}") from error
        raise NoPort(f"other programs use the RTP ports on {host}; set RUNTIME_RTP_PORTS")

    def discard(self, pair: Pair, now: float) -> None:
        """Close a pair that no row has."""
        pair.rtp.close()
        pair.rtcp.close()
        self._ports.give_back(pair.port, now)


def _bound(host: str, port: int) -> Pair:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as opened:
        pair = []
        for number in (port, port + 1):
            one = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            one.setblocking(False)
            one.bind((host, number))
            pair.append(one)
        opened.pop_all()
    return Pair(pair[0], pair[1], port)
