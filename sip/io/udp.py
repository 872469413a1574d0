"""SIP over UDP: one socket; host names are looked up without making anything else wait.

A request that ICMP sends back fails at once, instead of being repeated into the void. Event loops
give up a socket that has errors to tell: the loop watches a poll of our own, which watches it.
"""

import asyncio
import logging
import re
import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import NamedTuple

from ..transport import Hop, Transmission
from . import icmp

log = logging.getLogger(__name__)

DATAGRAM = 65_535
BATCH = 64  # datagrams read before anything else gets its turn
LOOK_UP_S = 5.0
REMEMBER_S = 60.0
NAMES_KEPT = 256
LOOK_UPS = 32  # at the same time
REQUESTS_KEPT = 512  # of those sent last: ICMP may still tell of them

_BRANCH = re.compile(rb";branch=[^;\r\n]+[;\r\n]")
"""Random (RFC 3261 §8.1.1.7): who quotes it whole has seen the request."""


class _Known(NamedTuple):
    address: str
    until: float


class UdpSocket:
    """The UDP side of an endpoint. A message that cannot leave is given to `failed`."""

    def __init__(
        self,
        sock: socket.socket,
        received: Callable[[bytes, Hop], None],
        sent: Callable[[Transmission, Hop], None],
        failed: Callable[[Transmission, str], None],
    ) -> None:
        self._socket = sock
        self._received = received
        self._sent = sent
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._known: dict[str, _Known] = {}
        self._waiting: dict[str, list[Transmission]] = {}
        """What is to be sent once a name is found, in order."""
        self._look_ups: set[asyncio.Task[None]] = set()
        self._requests: deque[tuple[tuple[str, int], Transmission]] = deque(maxlen=REQUESTS_KEPT)
        icmp.listen(sock)
        self._poll = select.epoll()
        self._poll.register(sock, select.EPOLLIN)
        self._loop.add_reader(self._poll, self._ready)

    def send(self, transmission: Transmission) -> None:
        """Send now, or as soon as the host's name is looked up."""
        hop = transmission.route.hop
        address = self._address(hop.host)
        if address is not None:
            self._put(transmission, replace(hop, host=address))
        elif hop.host in self._waiting:
            self._waiting[hop.host].append(transmission)
        elif len(self._look_ups) >= LOOK_UPS:
            log.warning("too many SIP host names at once", extra={"host": hop.host})
            self._failed(transmission, "too many host names are looked up")
        else:
            self._waiting[hop.host] = [transmission]
            task = self._loop.create_task(self._look_up(hop.host))
            self._look_ups.add(task)
            task.add_done_callback(self._look_ups.discard)

    def close(self) -> None:
        """Close the socket."""
        for task in list(self._look_ups):
            task.cancel()
        self._loop.remove_reader(self._poll)
        self._poll.close()
        self._socket.close()

    def _ready(self) -> None:
        for _, events in self._poll.poll(0):
            if events & select.EPOLLERR:
                self._take_errors()
            if events & select.EPOLLIN and not self._poll.closed:
                self._read()

    def _take_errors(self) -> None:
        for error in icmp.read(self._socket):
            if not _BRANCH.search(error.quote):
                continue  # anybody could have made it up
            for place, (address, transmission) in enumerate(self._requests):
                if address == error.address and transmission.data.startswith(error.quote):
                    del self._requests[place]
                    log.info("SIP peer unreachable", extra={"to": address, "why": error.why})
                    self._failed(transmission, error.why)
                    break

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                data, address = self._socket.recvfrom(DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in icmp.ERRORS:  # told again by the error queue
                    continue
                log.warning("SIP cannot be received", extra={"why": error})
                return
            if data.strip(b"\r\n\0"):  # keep-alives are no messages
                self._received(data, Hop("udp", address[0], address[1]))
            if self._socket.fileno() < 0:  # closed by what this datagram brought about
                return

    def _put(self, transmission: Transmission, hop: Hop) -> None:
        address = (hop.host, hop.port)
        try:
            self._send_to(transmission.data, address)
        except BlockingIOError:
            return  # as if lost on the way: the transaction repeats it
        except OSError as error:
            log.warning("SIP cannot be sent", extra={"to": f"{hop.host}:{hop.port}", "why": error})
            self._failed(transmission, error.strerror or "it cannot be sent")
            return
        if transmission.owner is not None and transmission.owner.machine.client:
            self._requests.append((address, transmission))
        self._sent(transmission, hop)

    def _send_to(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._socket.sendto(data, address)
        except OSError as error:
            if error.errno not in icmp.ERRORS:
                raise
            self._socket.sendto(data, address)  # that was of an earlier datagram, and is cleared

    def _address(self, host: str) -> str | None:
        """The address of a host, None if it is a name that must be looked up."""
        try:
            return str(ip_address(host))
        except ValueError:
            pass
        known = self._known.get(host)
        return known.address if known and known.until > self._loop.time() else None

    async def _look_up(self, host: str) -> None:
        query = self._loop.getaddrinfo(
            host, None, family=self._socket.family, type=socket.SOCK_DGRAM
        )
        try:
            found = await asyncio.wait_for(query, LOOK_UP_S)
        except (OSError, UnicodeError, TimeoutError) as error:
            log.warning("SIP host not found", extra={"host": host, "why": error})
            for transmission in self._waiting.pop(host):
                self._failed(transmission, f"the host {host} is not found")
            return
        while len(self._known) >= NAMES_KEPT:
            del self._known[next(iter(self._known))]
        address = str(found[0][4][0])
        self._known[host] = _Known(address, self._loop.time() + REMEMBER_S)
        for transmission in self._waiting.pop(host):
            self._put(transmission, replace(transmission.route.hop, host=address))
