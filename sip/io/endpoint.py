"""The endpoint: a user agent on real UDP and TCP sockets. Decides nothing.

After every input it sends what is pending, tells what happened, and re-arms one timer.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from ...base.clock import Clock
from ...base.ids import Entropy
from ..counters import Counters
from ..errors import SipListenError, SipParseError
from ..events import SipEvent, WireMessage
from ..leg import Invitation
from ..message import parse_message
from ..settings import UserAgentSettings
from ..transaction_layer import call_id_of
from ..transport import Hop, Transmission, Transport
from ..user_agent import UserAgent
from .tcp import TcpConnections
from .udp import UdpSocket

log = logging.getLogger(__name__)

CLOSE_S = 1.0  # how long goodbyes may take
RECEIVE_BUFFER = 4 * 1024 * 1024
PORT_TRIES = 16

HeaderPairs = Sequence[tuple[str, str]]


class SipEndpoint:
    """One SIP address. `start` opens it; every verb of the user agent is here."""

    def __init__(
        self,
        agent: UserAgent,
        udp: socket.socket,
        clock: Clock,
        on_event: Callable[[SipEvent], None],
        on_wire: Callable[[WireMessage], None],
    ) -> None:
        """`start` is the way to make one."""
        self.host: str
        self.port: int
        self.host, self.port = udp.getsockname()[:2]
        wildcard = ip_address(self.host).is_unspecified
        self._here = (agent.settings.host if wildcard else self.host, self.port)
        self._agent = agent
        self._clock = clock
        self._on_event = on_event
        self._on_wire = on_wire
        self._udp = UdpSocket(udp, self._received, self._sent, self._failed)
        self._tcp = TcpConnections(self._received, self._sent, self._failed)
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()
        """Set while there is no call, and no request of ours waits for an answer."""
        self._flushing = False
        self._closed = False

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        *,
        on_event: Callable[[SipEvent], None],
        on_wire: Callable[[WireMessage], None],
        settings: UserAgentSettings,
        clock: Clock,
        entropy: Entropy,
    ) -> "SipEndpoint":
        """Listen on UDP and TCP; port 0 takes any that is free for both. Raises SipListenError."""
        udp, listener = _open(host, port)
        if port == 0:
            settings = replace(settings, port=udp.getsockname()[1])
        endpoint = cls(UserAgent(settings, entropy), udp, clock, on_event, on_wire)
        await endpoint._tcp.listen(listener)
        return endpoint

    @property
    def counters(self) -> Counters:
        """What the signalling has seen."""
        return self._agent.counters

    # Verbs ------------------------------------------------------------------------------------

    def invite(
        self,
        target: str,
        *,
        from_uri: str,
        from_name: str | None = None,
        to: str | None = None,
        body: bytes,
        content_type: str = "application/sdp",
        transport: Transport | None = None,
        headers: HeaderPairs = (),
    ) -> str:
        """Call `target`; gives the leg. Raises SipParseError, LocalSipError for unusable URIs."""
        invitation = Invitation(
            target, from_uri, body, from_name, to, content_type, transport, headers
        )
        leg = self._agent.calls.invite(invitation, self._clock.monotonic())
        self._flush_soon()
        return leg

    def call_id(self, leg: str) -> str:
        """The Call-ID of a leg that is not over."""
        return self._agent.calls.call_id(leg)

    def ring(self, leg: str, status: int = 180) -> None:
        """Send a provisional response."""
        self._agent.calls.ring(leg, status, self._clock.monotonic())
        self._flush()

    def answer(self, leg: str, body: bytes, headers: HeaderPairs = ()) -> None:
        """Answer an INVITE with 200."""
        self._agent.calls.answer(leg, body, headers, self._clock.monotonic())
        self._flush()

    def refuse(
        self, leg: str, status: int, reason: str | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Answer an INVITE with an error."""
        self._agent.calls.refuse(leg, status, reason, headers, self._clock.monotonic())
        self._flush()

    def cancel(self, leg: str, headers: HeaderPairs = ()) -> None:
        """Give up our INVITE; Refused follows."""
        self._agent.calls.cancel(leg, headers, self._clock.monotonic())
        self._flush()

    def bye(self, leg: str, headers: HeaderPairs = ()) -> None:
        """Hang up."""
        self._agent.calls.bye(leg, headers, self._clock.monotonic())
        self._flush()

    def offer(self, leg: str, body: bytes) -> None:
        """Send a re-INVITE; OfferAnswered follows."""
        self._agent.calls.offer(leg, body, self._clock.monotonic())
        self._flush()

    def accept_offer(self, leg: str, body: bytes) -> None:
        """Answer a re-INVITE with 200."""
        self._agent.calls.accept_offer(leg, body, self._clock.monotonic())
        self._flush()

    def refuse_offer(
        self, leg: str, status: int, reason: str | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Answer a re-INVITE with an error."""
        self._agent.calls.refuse_offer(leg, status, reason, headers, self._clock.monotonic())
        self._flush()

    async def close(self) -> None:
        """Hang up what is alive, wait a bounded moment for the answers, and close the sockets."""
        self._agent.close(self._clock.monotonic())
        self._flush()
        if self._agent.busy:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), CLOSE_S)
        self._closed = True
        if self._timer:
            self._timer.cancel()
        self._udp.close()
        await self._tcp.close()

    # Sockets ----------------------------------------------------------------------------------

    def _received(self, data: bytes, source: Hop) -> None:
        self._wire(data, source, _call_id(data), outgoing=False)
        with self._surviving():
            self._agent.receive(data, source, self._clock.monotonic())
        self._flush()

    def _sent(self, transmission: Transmission, hop: Hop) -> None:
        self._wire(transmission.data, hop, transmission.call_id, outgoing=True)

    def _failed(self, transmission: Transmission) -> None:
        with self._surviving():
            self._agent.transmission_failed(transmission, self._clock.monotonic())
        self._flush()

    def _timer_due(self) -> None:
        with self._surviving():
            self._agent.handle_timer(self._clock.monotonic())
        self._flush()

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        """Whatever one message brings about, the other calls go on."""
        try:
            yield
        except Exception:
            self._agent.counters.faults += 1
            log.exception("a SIP message or timer met a fault of ours")

    def _flush_soon(self) -> None:
        """Send after the caller has kept what the verb gave it."""
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        if self._closed or self._flushing:
            return
        self._flushing = True  # a listener's verb below flushes with us, not inside us
        try:
            while self._send_pending() | self._tell_pending():
                pass
        finally:
            self._flushing = False
        if self._agent.busy:
            self._quiet.clear()
        else:
            self._quiet.set()
        self._rearm()

    def _send_pending(self) -> bool:
        pending = self._agent.messages_to_send()
        for transmission in pending:
            self._send(transmission)
        return bool(pending)

    def _tell_pending(self) -> bool:
        events = self._agent.events()
        for event in events:
            self._call_back(self._on_event, event)
        return bool(events)

    def _send(self, transmission: Transmission) -> None:
        hop = transmission.route.flow or transmission.route.hop
        if hop.transport == "tcp":
            self._tcp.send(transmission)
        else:
            self._udp.send(transmission)

    def _wire(self, data: bytes, peer: Hop, call_id: str, *, outgoing: bool) -> None:
        there = (peer.host, peer.port)
        message = WireMessage(
            at=self._clock.wall(),
            source=self._here if outgoing else there,
            destination=there if outgoing else self._here,
            transport=peer.transport,
            payload=data,
            call_id=call_id,
            outgoing=outgoing,
        )
        self._call_back(self._on_wire, message)

    def _call_back(self, callback: Callable[[Any], None], value: object) -> None:
        try:
            callback(value)
        except Exception:  # the owner's bug must not silence the signalling of other calls
            self._agent.counters.callback_failures += 1
            log.exception("a SIP listener failed")

    def _rearm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self._agent.next_timer()
        if due is not None:
            delay = max(due - self._clock.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay, self._timer_due)


def _call_id(data: bytes) -> str:
    """The Call-ID of a message that came in, if it can be read."""
    try:
        return call_id_of(parse_message(data))
    except SipParseError as error:
        return call_id_of(error.request) if error.request else ""


def _open(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on the same port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(PORT_TRIES):
        udp = _bound(family, socket.SOCK_DGRAM, host, port)
        try:
            tcp = _bound(family, socket.SOCK_STREAM, host, udp.getsockname()[1])
        except SipListenError:
            udp.close()
            if port:
                raise
            continue
        return udp, tcp
    raise SipListenError(f"No port of {host} is free for SIP on both UDP and TCP.")


def _bound(
    family: socket.AddressFamily, kind: socket.SocketKind, host: str, port: int
) -> socket.socket:
    one = socket.socket(family, kind)
    one.setblocking(False)
    try:
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
