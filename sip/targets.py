"""Where a SIP URI leads: the choices of RFC 3263 and RFC 2782 as pure functions over DNS records.

The resolver asks; this module says what to ask for and in which order what came is tried.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..base.ids import Entropy
from .transport import Hop, Transport

HOLD_DOWN_S = 60.0
"""How long a target that did not serve is tried last."""

TARGETS_REMEMBERED = 10_000

SRV_NAMES: dict[Transport, str] = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
NAPTR_SERVICES: dict[str, Transport] = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403), as far as SIP uses it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782). `host` is without the final dot."""

    priority: int
    weight: int
    port: int
    host: str


def services(records: Iterable[Naptr], secure: bool) -> list[tuple[Transport, str]]:
    """The SRV names to ask for, in the order of the domain's wishes (RFC 3263 §4.1).

    `secure` leaves TLS alone, as a sips: URI demands.
    """
    ordered = sorted(records, key=lambda record: (record.order, record.preference))
    found: list[tuple[Transport, str]] = []
    for record in ordered:
        transport = NAPTR_SERVICES.get(record.service.lower())
        if record.flags.lower() == "s" and transport and (transport == "tls" or not secure):
            found.append((transport, record.replacement))
    return found


def ordered(records: Sequence[Srv], entropy: Entropy) -> list[Srv]:
    """By priority; within one priority by lot, weighted (RFC 2782)."""
    result: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        left = sorted((r for r in records if r.priority == priority), key=lambda r: r.weight > 0)
        while left:
            total = sum(record.weight for record in left)
            mark = entropy.integer(32) % (total + 1)
            running = 0
            for chosen in left:
                running += chosen.weight
                if running >= mark:
                    break
            left.remove(chosen)
            result.append(chosen)
    return [record for record in result if record.host not in ("", ".")]


class TargetHealth:
    """Which targets have failed of late. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._failed: dict[Hop, float] = {}

    def mark(self, hop: Hop, served: bool, now: float) -> None:
        """Remember how a target did."""
        self._failed.pop(hop, None)
        if not served:
            while len(self._failed) >= TARGETS_REMEMBERED:
                del self._failed[next(iter(self._failed))]
            self._failed[hop] = now

    def best_first(self, hops: Sequence[Hop], now: float) -> list[Hop]:
        """The targets in their order, but those that failed within HOLD_DOWN_S last."""
        return sorted(hops, key=lambda hop: now - self._failed.get(hop, -1e12) < HOLD_DOWN_S)
