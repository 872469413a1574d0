"""What the signalling has seen: numbers, and the last refusals in words."""

from collections import Counter, deque
from dataclasses import dataclass, field

RECENT_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """One request that was answered with an error or dropped (status 0)."""

    source: str
    method: str
    status: int
    why: str


@dataclass(slots=True)
class Counters:
    """Totals since the start."""

    received: int = 0
    sent: int = 0
    dropped: int = 0
    """Messages that got no answer: unreadable, or matching nothing."""
    strangers: int = 0
    """Of those, requests of peers that nobody knows."""
    malformed: int = 0
    retransmissions: int = 0
    """Messages that we sent again."""
    transport_failures: int = 0
    callback_failures: int = 0
    """Exceptions that came out of the owner's callbacks."""
    faults: int = 0
    """Exceptions of our own that a message or timer brought about: each is a bug."""
    late_verbs: int = 0
    """Verbs of the owner that came when their leg was over."""
    refused: Counter[int] = field(default_factory=Counter)
    """Requests refused, by status."""
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=RECENT_REFUSALS))

    def note_refusal(self, source: str, method: str, status: int, why: str) -> None:
        """Count a request that was refused (or with status 0 dropped), and remember why."""
        if status:
            self.refused[status] += 1
        else:
            self.dropped += 1
        self.refusals.append(Refusal(source, method[:32], status, why))
