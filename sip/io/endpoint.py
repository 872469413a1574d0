"""The endpoint: a user agent on real UDP, TCP and TLS sockets. Decides nothing.

After every input it sends what is pending, tells what happened, and re-arms one timer.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, TypeVar

from ...base.clock import Clock
from ...base.ids import Entropy
from ..counters import Counters
from ..doorkeeper import Doorkeeper, OpenDoor
from ..errors import SipParseError
from ..events import SipEvent, WireMessage
from ..leg import Invitation
from ..message import parse_message
from ..settings import UserAgentSettings
from ..transaction_layer import call_id_of
from ..transport import Hop, Transmission
from ..user_agent import UserAgent
from .sockets import Listen, Pair, Sockets, Wires
from .tls import TlsContexts, TlsFiles

log = logging.getLogger(__name__)

CLOSE_S = 1.0  # how long goodbyes may take

HeaderPairs = Sequence[tuple[str, str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom an endpoint tells what happens."""

    on_event: Callable[[SipEvent], None]
    on_wire: Callable[[WireMessage], None]


class SipEndpoint:
    """One SIP user agent on its sockets. `start` opens it."""

    def __init__(
        self,
        agent: UserAgent,
        clock: Clock,
        listener: Listener,
        knows: Callable[[Hop], bool],
        tls: TlsContexts,
    ) -> None:
        """`start` is the way to make one."""
        self.host = ""
        self.port = 0
        self._agent = agent
        self._clock = clock
        self._listener = listener
        self._tls = tls
        self._sockets = Sockets(Wires(self._received, self._sent, self._failed, knows), tls)
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()
        """Set while there is no call, and no request of ours waits for an answer."""
        self._flushing = False
        self._closed = False

    @classmethod
    async def start(  # noqa: PLR0913 - what an endpoint is made of; all but the address by keyword
        cls,
        host: str,
        port: int,
        *,
        on_event: Callable[[SipEvent], None],
        on_wire: Callable[[WireMessage], None],
        settings: UserAgentSettings,
        clock: Clock,
        entropy: Entropy,
        doorkeeper: Doorkeeper | None = None,
        listen: Sequence[Listen] = (),
        tls: TlsFiles | None = None,
    ) -> "SipEndpoint":
        """Listen on UDP and TCP; port 0 takes any that is free for both. Raises SipListenError.

        `listen` are further addresses: for TLS, and of the other IP version. Without a doorkeeper
        everybody is let in.
        """
        contexts = TlsContexts(tls or TlsFiles())
        pair = Pair.bind(host, port)
        if port == 0:
            settings = replace(settings, port=pair.address[1])
        door = doorkeeper or OpenDoor()
        agent = UserAgent(settings, entropy, door)
        endpoint = cls(agent, clock, Listener(on_event, on_wire), door.knows, contexts)
        endpoint.host, endpoint.port = pair.address
        try:
            await endpoint._sockets.open(pair, listen)
        except BaseException:
            await endpoint._sockets.close()
            raise
        return endpoint

    @property
    def counters(self) -> Counters:
        """What the signalling has seen."""
        return self._agent.counters

    @property
    def held(self) -> tuple[int, int]:
        """How many legs and transactions live."""
        return len(self._agent.legs), self._agent.transactions

    # Verbs ------------------------------------------------------------------------------------

    def do(self, verb: Callable[[UserAgent, float], T]) -> T:
        """Let the user agent do something now, such as register or transfer, and send it."""
        result = verb(self._agent, self._clock.monotonic())
        self._flush()
        return result

    def invite(self, invitation: Invitation) -> str:
        """Call somebody; gives the leg. Raises SipParseError, LocalSipError for unusable URIs."""
        leg = self._agent.calls.invite(invitation, self._clock.monotonic())
        # Sent after the caller has kept what the verb gave it.
        asyncio.get_running_loop().call_soon(self._flush)
        return leg

    def call_id(self, leg: str) -> str:
        """The Call-ID of a leg that is not over."""
        return self._agent.calls.call_id(leg)

    def ring(
        self, leg: str, status: int = 180, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Send a provisional response; with a body it is early media."""
        self.do(lambda agent, now: agent.calls.ring(leg, status, now, body, headers))

    def answer(self, leg: str, body: bytes, headers: HeaderPairs = ()) -> None:
        """Answer an INVITE with 200."""
        self.do(lambda agent, now: agent.calls.answer(leg, body, headers, now))

    def refuse(
        self, leg: str, status: int, reason: str | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Answer an INVITE with an error."""
        self.do(lambda agent, now: agent.calls.refuse(leg, status, reason, headers, now))

    def cancel(self, leg: str, headers: HeaderPairs = ()) -> None:
        """Give up our INVITE; Refused follows."""
        self.do(lambda agent, now: agent.calls.cancel(leg, headers, now))

    def bye(self, leg: str, headers: HeaderPairs = ()) -> None:
        """Hang up."""
        self.do(lambda agent, now: agent.calls.bye(leg, headers, now))

    def offer(self, leg: str, body: bytes) -> None:
        """Send a re-INVITE; OfferAnswered follows."""
        self.do(lambda agent, now: agent.calls.offer(leg, body, now))

    def accept_offer(self, leg: str, body: bytes) -> None:
        """Answer the peer's offer with 200."""
        self.do(lambda agent, now: agent.calls.accept_offer(leg, body, now))

    def refuse_offer(
        self, leg: str, status: int, reason: str | None = None, headers: HeaderPairs = ()
    ) -> None:
        """Answer the peer's offer with an error."""
        self.do(lambda agent, now: agent.calls.refuse_offer(leg, status, reason, headers, now))

    def reload_certificates(self) -> None:
        """Take the TLS certificate from its file again; connections that are open stay."""
        self._tls.reload()

    async def close(self) -> None:
        """Hang up what is alive, wait a bounded moment for the answers, and close the sockets."""
        self.do(lambda agent, now: agent.close(now))
        if self._agent.busy:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), CLOSE_S)
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await self._sockets.close()

    # Sockets ----------------------------------------------------------------------------------

    def _received(self, data: bytes, source: Hop) -> None:
        self._wire(data, source, _call_id(data), outgoing=False)
        with self._surviving():
            self._agent.receive(data, source, self._clock.monotonic())
        self._flush()

    def _sent(self, transmission: Transmission, hop: Hop) -> None:
        self._wire(transmission.data, hop, transmission.call_id, outgoing=True)

    def _failed(self, transmission: Transmission, why: str) -> None:
        with self._surviving():
            self._agent.transmission_failed(transmission, self._clock.monotonic(), why)
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
            self._sockets.send(transmission)
        return bool(pending)

    def _tell_pending(self) -> bool:
        events = self._agent.events()
        for event in events:
            self._call_back(self._listener.on_event, event)
        return bool(events)

    def _wire(self, data: bytes, peer: Hop, call_id: str, *, outgoing: bool) -> None:
        there, here = (peer.host, peer.port), self._here(peer)
        message = WireMessage(
            at=self._clock.wall(),
            source=here if outgoing else there,
            destination=there if outgoing else here,
            transport=peer.transport,
            payload=data,
            call_id=call_id,
            outgoing=outgoing,
        )
        self._call_back(self._listener.on_wire, message)

    def _here(self, peer: Hop) -> tuple[str, int]:
        """Our own side of a connection with a peer, as it stands in a capture."""
        ours = self._agent.settings.address_towards(peer)
        main = (ours.host, ours.port) == (self._agent.settings.host, self._agent.settings.port)
        if main and not ip_address(self.host).is_unspecified:
            return self.host, self.port
        return ours.host, ours.port

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
