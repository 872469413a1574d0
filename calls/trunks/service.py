"""The trunks at work: registered, asked whether they are there, and found again when DNS changes.

The only part of the trunks that runs on asyncio: one task looks names up, everything else happens
when an event or a change comes. The endpoint and the resolver are handed in.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from ...base.clock import Clock
from ...base.ids import Entropy
from ...sip.digest import Authenticator
from ...sip.errors import SipError
from ...sip.events import Qualified, RegistrationChanged, SipEvent
from ...sip.message import Address, Uri
from ...sip.registration import Registrar
from ...sip.transport import Hop, Transport
from ...store.documents import Document
from .directory import Directory, RefusedRequest
from .gate import Denied, Gate
from .outbound import Reach
from .status import TrunkStatus, unreadable
from .trunk import PROVIDER, Trunk, TrunkError, read_trunk

log = logging.getLogger(__name__)

LOOK_UP_EVERY_S = 60.0
"""How often names are asked for; the resolver remembers answers for as long as DNS says."""
LOOK_UP_AGAIN_S = 15.0
"""After a name that leads nowhere, or a registrar that failed."""
LOOK_UPS_AT_ONCE = 16
TARGETS_ASKED = 8
"""Of one gateway, with OPTIONS."""
QUALIFY_EVERY_S = 30.0

Documents = tuple[Iterable[Document], Iterable[Document]]


class Endpoint(Protocol):
    """What the trunks ask of the SIP endpoint."""

    def register(self, registrar: Registrar, targets: Sequence[Hop]) -> None:
        """Register, and stay registered; one of the same id is replaced."""
        ...

    def retarget(self, registration_id: str, targets: Sequence[Hop]) -> None:
        """The registrar is elsewhere."""
        ...

    def unregister(self, registration_id: str) -> None:
        """Tell the registrar to forget us."""
        ...

    def qualify(self, peer_id: str, uri: str, target: Hop, every_s: float) -> None:
        """Ask with OPTIONS from now on."""
        ...

    def stop_qualify(self, peer_id: str) -> None:
        """Ask no more."""
        ...


class Resolves(Protocol):
    """What the trunks ask of the resolver."""

    async def resolve(self, uri: Uri, transport: Transport | None = None) -> list[Hop]:
        """Where requests to a URI may go. Raises SipError."""
        ...


class TrunkService:
    """Every trunk of this process."""

    def __init__(
        self,
        directory: Directory,
        gate: Gate,
        resolver: Resolves,
        clock: Clock,
        entropy: Entropy,
        load: Callable[[], Awaitable[Documents]],
    ) -> None:
        """`load` reads the credentials and the phone numbers of every organisation."""
        self._directory = directory
        directory.on_refused = self._refused
        self._gate = gate
        self._resolver = resolver
        self._clock = clock
        self._entropy = entropy
        self._load = load
        self._endpoint: Endpoint | None = None
        self._known: dict[str, TrunkStatus] = {}
        self._unreadable: dict[str, tuple[str, Document]] = {}
        self._registrars: dict[str, Registrar] = {}
        self._qualified: dict[str, tuple[str, int]] = {}
        """By the id of an OPTIONS peer: its trunk and gateway."""
        self._authenticators: dict[str, Authenticator] = {}
        self._due: dict[str, float] = {}
        """When each trunk's names are looked up next, monotonic."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # Life -------------------------------------------------------------------------------------

    async def start(self, endpoint: Endpoint) -> None:
        """Read the trunks and begin. Raises StoreError."""
        self._endpoint = endpoint
        await self.refresh()
        self._task = asyncio.get_running_loop().create_task(self._look_up(), name="trunks")

    async def refresh(self) -> None:
        """Read credentials and phone numbers again: one of them changed. Raises StoreError."""
        credentials, numbers = await self._load()
        self.apply(credentials, numbers)

    def apply(self, credentials: Iterable[Document], numbers: Iterable[Document]) -> None:
        """Know these documents and no others. A trunk that did not change is left as it is."""
        trunks = self._read(credentials)
        for trunk_id in [one for one in self._known if one not in trunks]:
            self._forget(trunk_id)
        for trunk in trunks.values():
            known = self._known.get(trunk.id)
            if known is None or known.trunk != trunk:
                self._take(trunk, known)
        self._directory.rebuild(trunks.values(), numbers)
        self._wake.set()

    async def drain(self) -> None:
        """Look nothing up and ask nobody; stay registered, for the calls that go on."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for peer_id in list(self._qualified):
            self._stop_asking(peer_id)

    async def close(self) -> None:
        """Unregister every trunk: to be said when the last call is over."""
        await self.drain()
        for trunk_id in list(self._registrars):
            self._unregister(trunk_id)

    # What happens -----------------------------------------------------------------------------

    def on_event(self, event: SipEvent) -> bool:
        """Take one event of the endpoint; False: it is not about a trunk."""
        match event:
            case RegistrationChanged():
                self._registration_changed(event)
            case Qualified():
                self._answered(event)
            case _:
                return False
        return True

    def note_denied(self, trunk_id: str, denied: Denied, called: str) -> None:
        """Take a call that the gate denied."""
        if status := self._known.get(trunk_id):
            status.note_denied(denied, called, self._clock.wall())

    # What is asked ----------------------------------------------------------------------------

    def reach(self, trunk: Trunk) -> Reach:
        """How a trunk can be reached now."""
        status = self._known.get(trunk.id)
        if status is None:
            return Reach()
        return Reach(
            gateways={i: one.hops for i, one in enumerate(status.gateways)},
            front=status.front,
            down=status.down,
            service_routes=status.service_routes,
            held=status.held,
            line=self._directory.line(trunk.id),
        )

    def authenticator(self, trunk: Trunk) -> Authenticator | None:
        """What answers challenges to the trunk's calls; it keeps the nonce from call to call."""
        if trunk.account is None:
            return None
        known = self._authenticators.get(trunk.id)
        if known is None:
            known = self._authenticators[trunk.id] = Authenticator(trunk.account, self._entropy)
        return known

    async def resolve(self, uri: str) -> list[Hop]:
        """Where a SIP URI leads that is of no trunk. Raises SipError."""
        return await self._resolver.resolve(Uri.parse(uri))

    def status(self, org_id: str, credential_id: str) -> Document:
        """How a trunk is; empty for one that this organisation has not."""
        known = self._known.get(credential_id)
        if known and known.trunk.org_id == org_id:
            return known.as_document(self._clock, self._gate.usage(credential_id))
        owner, document = self._unreadable.get(credential_id, ("", {}))
        return document if owner == org_id else {}

    def statuses(self, org_id: str) -> list[Document]:
        """How every trunk of an organisation is."""
        ids = [*self._known, *self._unreadable]
        return [one for one in (self.status(org_id, trunk_id) for trunk_id in ids) if one]

    # Keeping in step --------------------------------------------------------------------------

    def _read(self, credentials: Iterable[Document]) -> dict[str, Trunk]:
        trunks: dict[str, Trunk] = {}
        self._unreadable.clear()
        for document in credentials:
            if document.get("provider") != PROVIDER:
                continue
            try:
                trunk = read_trunk(document)
            except TrunkError as error:
                log.error("trunk cannot be used", extra={"trunk": document.get("id"), "why": error})
                shown = unreadable(document, str(error))
                self._unreadable[str(document.get("id"))] = (str(document.get("orgId")), shown)
            else:
                trunks[trunk.id] = trunk
        return trunks

    def _take(self, trunk: Trunk, before: TrunkStatus | None) -> None:
        status = self._known[trunk.id] = TrunkStatus.of(trunk, before)
        if before and before.trunk.account != trunk.account:
            self._authenticators.pop(trunk.id, None)
        if before and before.gateways is not status.gateways:
            for peer_id in self._peers_of(trunk.id):
                self._stop_asking(peer_id)
        if trunk.register is None:
            self._unregister(trunk.id)
        elif before and self._registrars.get(trunk.id) == self._registrar(trunk):
            status.registration = before.registration
            status.service_routes = before.service_routes
        self._due[trunk.id] = self._clock.monotonic()

    def _forget(self, trunk_id: str) -> None:
        for peer_id in self._peers_of(trunk_id):
            self._stop_asking(peer_id)
        self._unregister(trunk_id)
        for table in (self._known, self._authenticators, self._due):
            table.pop(trunk_id, None)

    def _registrar(self, trunk: Trunk) -> Registrar | None:
        plan = trunk.register
        if plan is None:
            return None
        routes = (f"<{trunk.proxy};lr>",) if trunk.proxy else ()
        return Registrar(
            id=trunk.id,
            uri=f"sip:{plan.domain}",
            aor=f"sip:{plan.username}@{plan.domain}",
            contact_user=trunk.contact_user,
            line=self._directory.line(trunk.id),
            credentials=trunk.account,
            expires_s=plan.expires_s,
            routes=routes,
        )

    def _register(self, status: TrunkStatus, targets: Sequence[Hop]) -> None:
        registrar = self._registrar(status.trunk)
        if registrar is None or self._endpoint is None:
            return
        if self._registrars.get(registrar.id) == registrar:
            self._endpoint.retarget(registrar.id, targets)
            return
        self._registrars[registrar.id] = registrar
        self._endpoint.register(registrar, targets)

    def _unregister(self, trunk_id: str) -> None:
        if self._registrars.pop(trunk_id, None) and self._endpoint:
            self._endpoint.unregister(trunk_id)

    def _peers_of(self, trunk_id: str) -> list[str]:
        return [peer for peer, (owner, _) in self._qualified.items() if owner == trunk_id]

    def _stop_asking(self, peer_id: str) -> None:
        if self._qualified.pop(peer_id, None) and self._endpoint:
            self._endpoint.stop_qualify(peer_id)

    def _refused(self, refused: RefusedRequest) -> None:
        if status := self._known.get(refused.trunk_id or ""):
            status.note_refused(refused, self._clock.wall())

    def _registration_changed(self, event: RegistrationChanged) -> None:
        status = self._known.get(event.id)
        if status is None:
            return
        before = status.registration
        routes = status.service_routes
        status.note_registration(event)
        if before is None or before.state != event.state:
            level = logging.INFO if event.state in ("active", "trying", "gone") else logging.WARNING
            log.log(
                level,
                "registration",
                extra={"trunk": event.id, "state": event.state, "why": event.reason},
            )
        if event.state == "failed":
            self._look_up_within(event.id, LOOK_UP_AGAIN_S)
        elif status.service_routes != routes:
            self._look_up_within(event.id, 0.0)

    def _answered(self, event: Qualified) -> None:
        trunk_id, index = self._qualified.get(event.id, ("", 0))
        status = self._known.get(trunk_id)
        if status is None:
            return
        answers = status.gateways[index].answers
        before = answers.get(event.target)
        answers[event.target] = event
        if before is None or before.up != event.up:
            log.info(
                "gateway up" if event.up else "gateway down",
                extra={"trunk": trunk_id, "target": event.target, "misses": event.misses},
            )

    # Names ------------------------------------------------------------------------------------

    def _look_up_within(self, trunk_id: str, seconds: float) -> None:
        at = self._clock.monotonic() + seconds
        if at < self._due.get(trunk_id, at + 1):
            self._due[trunk_id] = at
            self._wake.set()

    async def _look_up(self) -> None:
        """Look the names of every trunk up when it is due, for ever."""
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            due = [trunk_id for trunk_id, at in self._due.items() if at <= now]
            if due:
                await self._look_up_all(due)
                continue
            wait = min(self._due.values(), default=now + LOOK_UP_EVERY_S) - now
            # Not wait_for: up to Python 3.11 it loses a cancellation that meets the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _look_up_all(self, due: Sequence[str]) -> None:
        room = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

        async def one(trunk_id: str) -> None:
            async with room:
                try:
                    await self._look_up_trunk(self._known[trunk_id])
                except Exception:  # a bug of ours costs one trunk its look-up, and no other
                    log.exception("trunk not looked up", extra={"trunk": trunk_id})

        for trunk_id in due:
            self._due[trunk_id] = self._clock.monotonic() + LOOK_UP_EVERY_S
        async with asyncio.TaskGroup() as tasks:
            for trunk_id in due:
                tasks.create_task(one(trunk_id))
        self._directory.resolved(
            {one: self._addresses(self._known[one]) for one in due if one in self._known}
        )

    async def _look_up_trunk(self, status: TrunkStatus) -> None:
        trunk = status.trunk
        for gateway, shown in zip(trunk.gateways, status.gateways, strict=True):
            found, shown.problem = await self._resolved(gateway.uri, gateway.transport)
            shown.hops = found or shown.hops  # what is known serves while DNS does not
        problem = await self._look_up_registrar(status)
        if self._known.get(trunk.id) is not status:
            return  # changed or removed meanwhile
        if trunk.register:
            self._register(status, status.registrars)
        self._ask(status)
        if problem or any(shown.problem for shown in status.gateways):
            self._look_up_within(trunk.id, LOOK_UP_AGAIN_S)

    async def _look_up_registrar(self, status: TrunkStatus) -> str | None:
        """Find outbound proxy, registrar and Service-Route; gives what is wrong."""
        trunk, transport = status.trunk, status.trunk.gateways[0].transport
        status.registrars_problem = None
        if trunk.proxy or trunk.register:
            uri = trunk.proxy or Uri.parse(f"sip:{_domain(trunk)}")
            found, status.registrars_problem = await self._resolved(uri, transport)
            if not found and not trunk.proxy and not status.registrars:
                # A domain that is only a name: the provider is where its gateways are.
                found = tuple(hop for shown in status.gateways for hop in shown.hops)
            status.registrars = found or status.registrars
        for route in status.service_routes[:1]:
            try:
                uri = Address.parse(route).uri
            except SipError as error:
                return f"Service-Route: {error}"
            found, problem = await self._resolved(uri, transport)
            status.routed = found or status.routed
            return status.registrars_problem or problem
        return status.registrars_problem

    async def _resolved(
        self, uri: Uri, transport: Transport | None
    ) -> tuple[tuple[Hop, ...], str | None]:
        """Where a URI leads, or why nowhere."""
        try:
            return tuple(await self._resolver.resolve(uri, transport)), None
        except SipError as error:
            return (), str(error)

    def _ask(self, status: TrunkStatus) -> None:
        """Ask the targets of the gateways that want it with OPTIONS, and no others."""
        if self._endpoint is None:
            return
        wanted: dict[str, tuple[int, Hop]] = {}
        for index, gateway in enumerate(status.trunk.gateways):
            hops = status.gateways[index].hops[:TARGETS_ASKED] if gateway.ping else ()
            for hop in hops:
                wanted[f"{status.trunk.id}/{index}/{hop.transport}:{hop.host}:{hop.port}"] = (
                    index,
                    hop,
                )
        for peer_id in self._peers_of(status.trunk.id):
            if peer_id not in wanted:
                index = self._qualified[peer_id][1]
                kept = status.gateways[index].hops
                answers = status.gateways[index].answers
                status.gateways[index].answers = {h: a for h, a in answers.items() if h in kept}
                self._stop_asking(peer_id)
        for peer_id, (index, hop) in wanted.items():
            if peer_id not in self._qualified:
                self._qualified[peer_id] = (status.trunk.id, index)
                uri = str(status.trunk.gateways[index].uri)
                self._endpoint.qualify(peer_id, uri, hop, QUALIFY_EVERY_S)

    @staticmethod
    def _addresses(status: TrunkStatus) -> dict[int, list[str]]:
        """By gateway the addresses that its requests may come from; -1: registrar and proxy."""
        found = {
            index: [hop.host for hop in shown.hops]
            for index, shown in enumerate(status.gateways)
            if status.trunk.gateways[index].network is None
        }
        if status.trunk.register:
            found[-1] = [hop.host for hop in (*status.registrars, *status.routed)]
        return found


def _domain(trunk: Trunk) -> str:
    return trunk.register.domain if trunk.register else ""
