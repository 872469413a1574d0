"""Two user agents on a fake wire, with the clock in the hand."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import UserAgent, UserAgentSettings
from aywa.sip.events import SipEvent
from aywa.sip.leg import Invitation
from aywa.sip.transport import Hop

OFFER, ANSWER = b"v=0\r\no=offer\r\n", b"v=0\r\no=answer\r\n"
WAY_S = 0.01

E = TypeVar("E")


@dataclass
class Side:
    """One user agent and what it told."""

    name: str
    hop: Hop
    agent: UserAgent
    events: list[SipEvent] = field(default_factory=list)
    legs: list[str] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def leg(self) -> str:
        return self.legs[-1]


class Wire:
    """Carries datagrams between both sides; a filter may lose or double them."""

    def __init__(self, transport: str = "udp") -> None:
        self.now = 1_000.0
        self.sent: list[tuple[str, bytes]] = []
        self._queue: list[tuple[float, int, Side, bytes, Hop]] = []
        self._count = 0
        self._drops: list[tuple[Callable[[bytes], bool], list[int]]] = []
        self.copies = 1
        self.transport = transport
        self.alice = self._side("alice", "192.0.2.1", 1)
        self.bob = self._side("bob", "192.0.2.2", 2)
        self.on_bob: Callable[[SipEvent], None] = lambda _: None

    def _side(self, name: str, host: str, seed: int) -> Side:
        settings = UserAgentSettings(host=host, max_dialogs=3)
        hop = Hop("tcp" if self.transport == "tcp" else "udp", host, 5060)
        return Side(name, hop, UserAgent(settings, SeededEntropy(seed)))

    def drop(self, which: Callable[[bytes], bool], times: int = 1) -> None:
        self._drops.append((which, [times]))

    def call(self, body: bytes = OFFER) -> str:
        target = f"sip:bob@192.0.2.2;transport={self.transport}"
        invitation = Invitation(target, "sip:alice@192.0.2.1", body)
        leg = self.alice.agent.calls.invite(invitation, self.now)
        self.alice.legs.append(leg)
        self.pump()
        return leg

    def raw(self, data: bytes, *, to: str = "bob", source: Hop | None = None) -> list[bytes]:
        """Hand bytes to one side; gives what it sends at once."""
        side = self.bob if to == "bob" else self.alice
        before = len(self.sent)
        side.agent.receive(data, source or Hop("udp", "192.0.2.9", 5060), self.now)
        self.pump()
        return [data for name, data in self.sent[before:] if name == side.name]

    def pump(self) -> None:
        """Take what both sides want to send and to tell."""
        for side, other in ((self.alice, self.bob), (self.bob, self.alice)):
            for out in side.agent.messages_to_send():
                self.sent.append((side.name, out.data))
                if (out.route.flow or out.route.hop).host != other.hop.host:
                    continue
                for _ in range(0 if self._lost(out.data) else self.copies):
                    self._count += 1
                    entry = (self.now + WAY_S, self._count, other, out.data, side.hop)
                    heapq.heappush(self._queue, entry)
            for event in side.agent.events():
                side.events.append(event)
                if side is self.bob:
                    if type(event).__name__ == "Invited":
                        side.legs.append(event.leg)
                    self.on_bob(event)

    def run(self, seconds: float) -> None:
        """Jump from timer to timer and packet to packet."""
        until = self.now + seconds
        while True:
            self.pump()
            due = [self._queue[0][0]] if self._queue else []
            due += [t for s in (self.alice, self.bob) if (t := s.agent.next_timer()) is not None]
            if not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            while self._queue and self._queue[0][0] <= self.now:
                _, _, side, data, source = heapq.heappop(self._queue)
                side.agent.receive(data, source, self.now)
            for side in (self.alice, self.bob):
                side.agent.handle_timer(self.now)
        self.now = until
        self.pump()

    def count(self, side: str, start: bytes) -> int:
        return sum(1 for name, data in self.sent if name == side and data.startswith(start))

    def _lost(self, data: bytes) -> bool:
        for which, left in self._drops:
            if left[0] and which(data):
                left[0] -= 1
                return True
        return False


@pytest.fixture(params=["udp", "tcp"])
def any_wire(request: pytest.FixtureRequest) -> Wire:
    return Wire(request.param)


@pytest.fixture
def wire() -> Wire:
    return Wire()
