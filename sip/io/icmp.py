"""What ICMP says of datagrams that did not arrive (RFC 3261 §18.4), from a socket's error queue.

Linux quotes the beginning of the datagram with each error, so that it can be told which message it
is about. Whether a quote proves that its teller saw the message is for the reader to judge.
"""

import errno
import os
import socket
import struct
from dataclasses import dataclass

IP_RECVERR, IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h: not in the socket module
_WANTED = ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR))

ERRORS = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES}
"""As which the socket tells of them at the next best call, besides the queue."""

_BATCH = 16
_QUOTED = 2_048
_ERROR = struct.Struct("=I")  # struct sock_extended_err begins with the errno
_ANCILLARY = 512


@dataclass(frozen=True, slots=True)
class Unreachable:
    """One datagram that did not arrive."""

    address: tuple[str, int]
    """Where it was sent."""
    quote: bytes
    """How it begins."""
    why: str


def listen(sock: socket.socket) -> None:
    """Keep the errors of this UDP socket until they are read."""
    level, option = _WANTED[sock.family == socket.AF_INET6]
    sock.setsockopt(level, option, 1)


def read(sock: socket.socket) -> list[Unreachable]:
    """The errors that came since, some at a time; takes them off the socket."""
    found: list[Unreachable] = []
    for _ in range(_BATCH):
        try:
            quote, notes, _, address = sock.recvmsg(_QUOTED, _ANCILLARY, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for level, option, data in notes:
            if (level, option) in _WANTED:
                [number] = _ERROR.unpack_from(data)
                found.append(Unreachable((address[0], address[1]), quote, os.strerror(number)))
    return found
