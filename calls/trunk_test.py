"""Trying a trunk: OPTIONS to its gateways, REGISTER, and an INVITE that is given up when it rings.

What went over the wire meanwhile is told as a ladder, with secrets left out.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.clock import Clock, iso
from ..base.ids import Entropy
from ..media.sdp import Session
from ..sip import events as sip
from ..sip.errors import SipError
from ..sip.io.endpoint import SipEndpoint
from ..sip.leg import Invitation
from ..sip.message import Uri
from ..sip.transport import Hop
from ..store.documents import Document
from .errors import AtCapacity, CallRefused
from .originations import Originations
from .trunks.directory import Directory
from .trunks.service import TrunkService
from .trunks.trunk import Trunk

OPTIONS_S, REGISTER_S, INVITE_S = 5.0, 20.0, 20.0
LADDER_MAX = 200
DISCARD_PORT = 9
"""No audio is wanted: what comes goes where nobody listens."""
REACHED = frozenset({404, 408, 410, 480, 484, 486, 487, 488, 600, 603, 604})
"""Refusals that only somebody gives who has let the call in."""

_SECRET = re.compile(rb"(?im)^((?:proxy-)?authorization:[ \t]*\w+).*$")
_KEY = re.compile(rb"(inline:)[^\s|]+")

Check = Callable[[sip.SipEvent], Any]


@dataclass(eq=False, slots=True)
class _Run:
    """One test under way."""

    trunk: Trunk
    hosts: set[str]
    call_ids: set[str] = field(default_factory=set)
    ladder: list[Document] = field(default_factory=list)
    inbox: asyncio.Queue[sip.SipEvent] = field(default_factory=asyncio.Queue)

    def concerns(self, event: sip.SipEvent) -> bool:
        if isinstance(event, sip.Qualified):
            return event.id.startswith(f"test/{self.trunk.id}/")
        if isinstance(event, sip.RegistrationChanged):
            return event.id == self.trunk.id
        return event.leg in self.call_ids


class TrunkTester:
    """Tries trunks, each by one test at a time."""

    def __init__(
        self,
        service: TrunkService,
        directory: Directory,
        originations: Originations,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._service = service
        self._directory = directory
        self._originations = originations
        self._clock = clock
        self._entropy = entropy
        self._endpoint: SipEndpoint | None = None
        self._runs: dict[str, _Run] = {}

    def use(self, endpoint: SipEndpoint) -> None:
        """The endpoint that asks."""
        self._endpoint = endpoint

    def on_event(self, event: sip.SipEvent) -> None:
        """See an event of the endpoint."""
        for run in self._runs.values():
            if run.concerns(event):
                run.inbox.put_nowait(event)

    def on_wire(self, message: sip.WireMessage) -> None:
        """See a message that crossed the wire."""
        for run in self._runs.values():
            peer = message.destination if message.outgoing else message.source
            if peer[0] in run.hosts and len(run.ladder) < LADDER_MAX:
                run.ladder.append(self._rung(message, peer))

    async def test(self, org_id: str, credential_id: str, number: str | None) -> Document:
        """Try a trunk. Raises CallRefused when it cannot be tried."""
        trunk = self._directory.trunk(credential_id)
        if trunk is None or trunk.org_id != org_id or self._endpoint is None:
            raise CallRefused("The stored trunk cannot be used: GET its status to see why.")
        if trunk.id in self._runs:
            raise CallRefused("The trunk is being tried already.")
        hops = self._hops(trunk)
        run = self._runs[trunk.id] = _Run(trunk, {hop.host for hop in hops})
        try:
            steps = [await self._options(self._endpoint, run, hop) for hop in hops[:8]]
            if trunk.register:
                steps.append(await self._register(self._endpoint, run))
            steps.append(await self._invite(self._endpoint, run, number))
            await asyncio.sleep(0.2)  # the last answers
        finally:
            del self._runs[trunk.id]
        return {
            "credentialId": trunk.id,
            "ok": all(step["ok"] for step in steps),
            "steps": steps,
            "ladder": run.ladder,
        }

    def _hops(self, trunk: Trunk) -> list[Hop]:
        reach = self._service.reach(trunk)
        found = [*reach.front, *(hop for hops in reach.gateways.values() for hop in hops)]
        return list(dict.fromkeys(found))

    async def _options(self, endpoint: SipEndpoint, run: _Run, hop: Hop) -> Document:
        key = f"test/{run.trunk.id}/{hop}"
        uri = str(Uri("sip", f"[{hop.host}]" if hop.is_ipv6 else hop.host, port=hop.port))
        endpoint.do(lambda agent, now: agent.qualifier.add(key, uri, hop, now, 3600.0))
        event = await _first(run, lambda e: isinstance(e, sip.Qualified) and e.id == key, OPTIONS_S)
        endpoint.do(lambda agent, _: agent.qualifier.remove(key))
        answered = isinstance(event, sip.Qualified) and event.status is not None
        step: Document = {"step": "OPTIONS", "target": str(uri), "ok": answered}
        if isinstance(event, sip.Qualified) and answered:
            return step | {"status": event.status, "roundTripMs": event.round_trip_ms}
        return step | {"reason": "no answer"}

    async def _register(self, endpoint: SipEndpoint, run: _Run) -> Document:
        endpoint.do(lambda agent, now: agent.registrations.refresh(run.trunk.id, now))
        event = await _first(run, lambda e: isinstance(e, sip.RegistrationChanged), REGISTER_S)
        if not isinstance(event, sip.RegistrationChanged):
            return {"step": "REGISTER", "ok": False, "reason": "no answer"}
        ok = event.state == "active"
        return {"step": "REGISTER", "ok": ok, "status": event.status, "reason": event.reason}

    async def _invite(self, endpoint: SipEndpoint, run: _Run, called: str | None) -> Document:
        key = f"test/{run.trunk.id}"
        own = {"orgId": run.trunk.org_id, "credentialId": run.trunk.id, "number": "test"}
        uri = None if called else self._own_address(run.trunk)
        try:
            planned = await self._originations.plan(key, own, called=called, uri=uri)
        except (CallRefused, AtCapacity) as error:
            return {"step": "INVITE", "ok": False, "reason": str(error)}
        try:
            return await self._ring(endpoint, run, planned.ways[0])
        except SipError as error:
            return {"step": "INVITE", "ok": False, "reason": str(error)}
        finally:
            self._originations.release(key)

    async def _ring(self, endpoint: SipEndpoint, run: _Run, way: Invitation) -> Document:
        session = Session(endpoint.host, DISCARD_PORT, self._entropy.integer(48))
        leg = endpoint.invite(replace(way, body=session.offer()))
        run.call_ids.add(leg)
        event = await _first(
            run, lambda e: isinstance(e, sip.Rang | sip.Answered | sip.Refused), INVITE_S
        )
        step: Document = {"step": "INVITE", "target": way.target}
        match event:
            case sip.Answered():
                endpoint.bye(leg)
                return step | {"ok": True, "status": 200, "reason": "answered; hung up at once"}
            case sip.Rang(status=status):
                endpoint.cancel(leg)
                await _first(run, lambda e: isinstance(e, sip.Refused), OPTIONS_S)
                return step | {"ok": True, "status": status, "reason": "rang; given up"}
            case sip.Refused(status=status, reason=reason):
                return step | {"ok": status in REACHED, "status": status, "reason": reason}
        endpoint.cancel(leg)
        return step | {"ok": False, "reason": "no answer"}

    @staticmethod
    def _own_address(trunk: Trunk) -> str:
        """The trunk's own account at its provider: a call that costs nothing."""
        gateway = trunk.gateways[0]
        return str(replace(gateway.uri, user=trunk.account_name or "test"))

    def _rung(self, message: sip.WireMessage, peer: tuple[str, int]) -> Document:
        text = _KEY.sub(rb"\1****", _SECRET.sub(rb"\1 ****", message.payload))
        start, _, _ = text.partition(b"\r\n")
        return {
            "time": iso(message.at),
            "direction": "out" if message.outgoing else "in",
            "transport": message.transport,
            "peer": f"{peer[0]}:{peer[1]}",
            "line": start.decode("utf-8", "replace")[:200],
            "message": text.decode("utf-8", "replace")[:4000],
        }


async def _first(run: _Run, wanted: Check, patience_s: float) -> sip.SipEvent | None:
    """The first event that is wanted; None when none comes in time."""
    try:
        async with asyncio.timeout(patience_s):
            while not wanted(event := await run.inbox.get()):
                pass
            return event
    except TimeoutError:
        return None
