"""Qualify: asking a peer with OPTIONS whether it is there (RFC 3261 §11).

Any final answer means up. Three times without one means down; it is asked more often then.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..base.ids import Entropy
from .dialog import MAX_FORWARDS
from .events import Qualified, SipEvent
from .message import CSeq, Headers, Request, Response
from .settings import UserAgentSettings
from .transaction import Transaction
from .transaction_layer import Outcome, TransactionLayer
from .transport import Hop, Route

EVERY_S = 30.0
AGAIN_S = 5.0
PATIENCE_S = 4.0
MISSES = 3


@dataclass(eq=False, slots=True)
class _Peer:
    id: str
    uri: str
    from_uri: str
    target: Hop
    every_s: float
    call_id: str
    tag: str
    sequence: int = 0
    misses: int = 0
    up: bool = True
    sent_at: float = 0.0
    transaction: Transaction | None = None
    ask: Callable[[float], None] = print
    give_up: Callable[[float], None] = print


class Qualifier:
    """Asks every peer again and again. Times are monotonic seconds."""

    def __init__(
        self,
        layer: TransactionLayer,
        settings: UserAgentSettings,
        entropy: Entropy,
        events: list[SipEvent],
    ) -> None:
        self._layer = layer
        self._settings = settings
        self._entropy = entropy
        self._events = events
        self._peers: dict[str, _Peer] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def add(
        self, peer_id: str, uri: str, target: Hop, now: float, every_s: float = EVERY_S
    ) -> None:
        """Ask `target` from now on with OPTIONS to `uri`. One of the same id is replaced."""
        self.remove(peer_id)
        host = self._settings.address_towards(target).authority
        token = self._entropy.token
        peer = _Peer(peer_id, uri, f"sip:{host}", target, every_s, token(16), token())
        peer.ask = lambda at: self._ask(peer, at)
        peer.give_up = lambda at: self._missed(peer, None, at)
        self._peers[peer_id] = peer
        spread = self._entropy.integer(10) / 1024 * min(every_s, AGAIN_S)
        self._layer.alarm(peer.ask, "ask", now + spread)

    def remove(self, peer_id: str) -> None:
        """Ask no more."""
        if peer := self._peers.pop(peer_id, None):
            self._layer.stop_alarm(peer.ask, "ask")
            self._drop(peer)

    def close(self) -> None:
        """Ask nobody any more."""
        for peer_id in list(self._peers):
            self.remove(peer_id)

    def _ask(self, peer: _Peer, now: float) -> None:
        route = Route(peer.target)
        peer.sequence += 1
        peer.sent_at = now
        fields = Headers([("Via", self._layer.new_via(route)), ("Max-Forwards", MAX_FORWARDS)])
        fields.add("From", f"<{peer.from_uri}>;tag={peer.tag}")
        fields.add("To", f"<{peer.uri}>")
        fields.add("Call-ID", peer.call_id)
        fields.add("CSeq", str(CSeq(peer.sequence, "OPTIONS")))
        fields.add("Contact", f"<{peer.from_uri}>")
        fields.add("Accept", "application/sdp")
        fields.add("User-Agent", self._settings.product)
        request = Request("OPTIONS", peer.uri, fields)

        def take(outcome: Outcome, _source: Hop | None, at: float) -> None:
            if not isinstance(outcome, Response):
                self._missed(peer, outcome.status, at)
            elif outcome.status >= 200:
                self._answered(peer, outcome.status, at)

        self._layer.alarm(peer.give_up, "answer", now + PATIENCE_S)
        peer.transaction = self._layer.request(request, route, take, now)

    def _answered(self, peer: _Peer, status: int, now: float) -> None:
        self._layer.stop_alarm(peer.give_up, "answer")
        peer.transaction = None
        peer.up, peer.misses = True, 0
        self._tell(peer, status, (now - peer.sent_at) * 1000, now + peer.every_s)

    def _missed(self, peer: _Peer, status: int | None, now: float) -> None:
        if peer.id not in self._peers:
            return
        self._drop(peer)
        peer.misses += 1
        peer.up = peer.up and peer.misses < MISSES
        self._tell(peer, status, None, now + AGAIN_S)

    def _drop(self, peer: _Peer) -> None:
        self._layer.stop_alarm(peer.give_up, "answer")
        if peer.transaction:
            self._layer.abandon(peer.transaction)
            peer.transaction = None

    def _tell(
        self, peer: _Peer, status: int | None, round_trip_ms: float | None, again_at: float
    ) -> None:
        self._layer.alarm(peer.ask, "ask", again_at)
        self._events.append(
            Qualified(peer.id, peer.target, peer.up, status, round_trip_ms, peer.misses)
        )
