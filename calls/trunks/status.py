"""How a trunk is: what the service has seen of it, as the document that REST answers.

Times are kept monotonic and written as wall clock. Knows no sockets and starts nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...base.clock import Clock, iso
from ...sip.events import Qualified, RegistrationChanged
from ...sip.transport import Hop
from ...store.documents import Document
from .directory import RefusedRequest
from .gate import Denied, Usage
from .trunk import Gateway, Trunk

REFUSALS_KEPT = 20


@dataclass(slots=True)
class GatewayStatus:
    """Where a gateway's name leads, and whether it answers there."""

    hops: tuple[Hop, ...] = ()
    problem: str | None = None
    """Why its name leads nowhere."""
    answers: dict[Hop, Qualified] = field(default_factory=dict)


@dataclass(slots=True)
class TrunkStatus:
    """What is known of one trunk."""

    trunk: Trunk
    gateways: list[GatewayStatus]
    registrars: tuple[Hop, ...] = ()
    """Where REGISTER goes: the outbound proxy, else where the domain leads."""
    registrars_problem: str | None = None
    routed: tuple[Hop, ...] = ()
    """Where the Service-Route leads, if there is one."""
    registration: RegistrationChanged | None = None
    service_routes: tuple[str, ...] = ()
    refusals: deque[Document] = field(default_factory=lambda: deque(maxlen=REFUSALS_KEPT))

    @classmethod
    def of(cls, trunk: Trunk, before: "TrunkStatus | None" = None) -> "TrunkStatus":
        """A trunk of which nothing has been seen; what its change left as it was is kept."""
        status = cls(trunk, [GatewayStatus() for _ in trunk.gateways])
        if before is None:
            return status
        status.refusals = before.refusals
        if before.trunk.gateways == trunk.gateways:
            status.gateways = before.gateways
        if (before.trunk.register, before.trunk.proxy) == (trunk.register, trunk.proxy):
            status.registrars, status.routed = before.registrars, before.routed
        return status

    def note_registration(self, event: RegistrationChanged) -> None:
        """Take how the registration is now."""
        self.registration = event
        if event.state == "active":
            self.service_routes = event.service_routes
        elif event.state in ("gone", "held"):
            self.service_routes = ()

    def note_refused(self, refused: RefusedRequest, at: float) -> None:
        """Remember a request that was turned away. `at` is wall clock."""
        self.refusals.append(
            {
                "time": iso(at),
                "direction": "inbound",
                "method": refused.method,
                "source": f"{refused.source.transport}:{refused.source.host}:{refused.source.port}",
                "called": refused.called,
                "status": refused.status or None,
                "reason": refused.why,
            }
        )

    def note_denied(self, denied: Denied, called: str, at: float) -> None:
        """Remember a call of ours that the gate did not let out."""
        self.refusals.append(
            {
                "time": iso(at),
                "direction": "outbound",
                "called": called,
                "code": denied.code,
                "reason": denied.sentence,
            }
        )

    @property
    def front(self) -> tuple[Hop, ...]:
        """Where calls go before any gateway."""
        return self.routed if self.service_routes and self.routed else self.registrars

    @property
    def held(self) -> str | None:
        """Why the registrar refuses us for good, in words."""
        event = self.registration
        if event is None or event.state != "held":
            return None
        return f"{event.status} {event.reason}" if event.status else event.reason

    @property
    def down(self) -> frozenset[Hop]:
        """Targets that do not answer OPTIONS."""
        seen = (one for gateway in self.gateways for one in gateway.answers.values())
        return frozenset(one.target for one in seen if not one.up)

    def as_document(self, clock: Clock, usage: Usage) -> Document:
        """The document of `GET /credential/{id}/status`."""
        return {
            "credentialId": self.trunk.id,
            "name": self.trunk.name or None,
            "registration": self._registration(clock),
            "gateways": [
                _gateway(gateway, status)
                for gateway, status in zip(self.trunk.gateways, self.gateways, strict=True)
            ],
            "calls": {
                "live": usage.live,
                "placed": usage.placed,
                "received": usage.received,
                "denied": usage.denied,
                "minutesToday": usage.minutes_today,
            },
            "refusals": list(self.refusals),
        }

    def _registration(self, clock: Clock) -> Document | None:
        plan, event = self.trunk.register, self.registration
        if plan is None:
            return None
        document: Document = {
            "domain": plan.domain,
            "username": plan.username,
            "state": event.state if event else "trying",
            "targets": [_hop(hop) for hop in self.registrars],
        }
        if event:
            document |= {
                "status": event.status,
                "reason": event.reason,
                "target": _hop(event.target) if event.target else None,
                "expiresAt": _wall(event.expires_at, clock),
                "nextAttemptAt": _wall(event.next_at, clock),
            }
        if self.registrars_problem:
            document["problem"] = self.registrars_problem
        return document


def unreadable(document: Document, problem: str) -> Document:
    """The status of a stored trunk that cannot be used."""
    return {
        "credentialId": document.get("id"),
        "name": document.get("name"),
        "registration": None,
        "gateways": [],
        "refusals": [],
        "problem": problem,
    }


def _gateway(gateway: Gateway, status: GatewayStatus) -> Document:
    document: Document = {
        "ip": gateway.host,
        "port": gateway.port,
        "protocol": "tls/srtp" if gateway.srtp else gateway.transport,
        "inboundEnabled": gateway.inbound,
        "outboundEnabled": gateway.outbound,
        "targets": [_target(hop, status.answers.get(hop)) for hop in status.hops],
    }
    if gateway.ping:
        document["state"] = _state(list(status.answers.values()))
    if status.problem:
        document["problem"] = status.problem
    return document


def _state(answers: Sequence[Qualified]) -> str:
    if not any(one.up for one in answers):
        return "down" if answers else "unknown"
    return "up"


def _target(hop: Hop, answer: Qualified | None) -> dict[str, Any]:
    document: dict[str, Any] = {"address": _hop(hop)}
    if answer:
        document |= {
            "state": "up" if answer.up else "down",
            "status": answer.status,
            "roundTripMs": answer.round_trip_ms,
            "misses": answer.misses,
        }
    return document


def _hop(hop: Hop) -> str:
    host = f"[{hop.host}]" if hop.is_ipv6 else hop.host
    return f"{hop.transport}:{host}:{hop.port}"


def _wall(at: float | None, clock: Clock) -> str | None:
    return None if at is None else iso(at - clock.monotonic() + clock.wall())
