"""Construction of the telephone side: the SIP endpoint, its trunks, and the desk behind it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .. import __version__
from ..api.metrics import Metrics
from ..base.clock import Clock
from ..base.ids import Entropy, SystemEntropy
from ..calls.admission import Admission
from ..calls.call import House
from ..calls.desk import Desk, Switchboard
from ..calls.originations import Originations
from ..calls.restart import seconds_today
from ..calls.sip_leg import Exchange
from ..calls.trunk_test import TrunkTester
from ..calls.trunks.directory import Directory
from ..calls.trunks.gate import Gate
from ..calls.trunks.service import TrunkService
from ..calls.trunks.signalling import Signalling
from ..calls.wire_log import WireLog
from ..media.io.engines import MediaEngines
from ..providers.catalog import ProviderCatalog
from ..sip import UserAgentSettings
from ..sip.doorkeeper import Doorkeeper
from ..sip.events import SipEvent, WireMessage
from ..sip.io.endpoint import SipEndpoint
from ..sip.io.resolver import Resolver
from ..sip.io.sockets import Listen
from ..sip.io.tls import TlsFiles
from ..sip.settings import LocalAddress
from ..store.documents import Document, Store
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Telephony:
    """The desk, its trunks, and the endpoint that speaks for both."""

    desk: Desk
    trunks: TrunkService
    tester: TrunkTester
    endpoint: SipEndpoint

    @classmethod
    async def start(
        cls,
        settings: Settings,
        house: House,
        media: MediaEngines,
        catalog: ProviderCatalog,
        metrics: Metrics,
        *,
        secret: bytes,
    ) -> "Telephony":
        """Take calls from now on. `secret` makes the line tokens of trunks. Raises AywaError."""
        clock, entropy, wire = house.clock, SystemEntropy(), WireLog()
        desks: list[Desk] = []
        admission = Admission(
            settings.max_calls,
            settings.calls_per_second,
            clock,
            lambda: sum(desk.live_count() for desk in desks),
            media.full,
        )
        directory = Directory(secret, trusted=settings.trusted, turned=admission.turned)
        gate = await _gate(settings, house.store, clock)
        resolver = _resolver(settings, clock, entropy)
        trunks = TrunkService(
            directory, gate, resolver, clock, entropy, lambda: _trunks(house.store)
        )
        originations = Originations(
            trunks, directory, gate, settings.signalled_host, settings.sip_port
        )
        tester = TrunkTester(trunks, directory, originations, clock, entropy)
        ears = _Ears(trunks, tester, wire)
        endpoint = await _endpoint(settings, ears, directory, clock, entropy)
        exchange = Exchange(
            endpoint,
            media,
            wire,
            entropy,
            settings.sip_host,
            settings.signalled_host,
            settings.sip_second_host,
            settings.media_timeout_s,
        )
        board = Switchboard(
            directory,
            gate,
            originations,
            admission,
            settings.voice_enabled,
        )
        desk = Desk(house, exchange, catalog, settings.data_dir, board, metrics.call_ended)
        desks.append(desk)
        tester.use(endpoint)
        ears.hand_over(desk.on_sip)
        await trunks.start(Signalling(endpoint))
        _watch(metrics, endpoint)
        return cls(desk, trunks, tester, endpoint)

    async def stop(self) -> None:
        """End every call, then unregister: until the last call is over the trunks know us."""
        await self.trunks.drain()
        await self.desk.close()
        await self.trunks.close()
        await self.endpoint.close()


class _Ears:
    """Brings what the endpoint tells to whom it concerns; calls wait until the desk stands."""

    def __init__(self, trunks: TrunkService, tester: TrunkTester, wire: WireLog) -> None:
        self._trunks = trunks
        self._tester = tester
        self._wire = wire
        self._early: list[SipEvent] = []
        self._desk: Callable[[SipEvent], None] = self._early.append

    def on_event(self, event: SipEvent) -> None:
        self._tester.on_event(event)
        if not self._trunks.on_event(event):
            self._desk(event)

    def on_wire(self, message: WireMessage) -> None:
        self._tester.on_wire(message)
        self._wire.write(message)

    def hand_over(self, desk: Callable[[SipEvent], None]) -> None:
        """The desk stands: calls go there."""
        self._desk = desk
        for event in self._early:
            desk(event)
        self._early.clear()


async def _endpoint(
    settings: Settings, ears: _Ears, doorkeeper: Doorkeeper, clock: Clock, entropy: Entropy
) -> SipEndpoint:
    return await SipEndpoint.start(
        settings.sip_host,
        settings.sip_port,
        on_event=ears.on_event,
        on_wire=ears.on_wire,
        settings=UserAgentSettings(
            host=settings.signalled_host,
            port=settings.sip_port,
            addresses=_addresses(settings),
            product=f"Aywa/{__version__}",
            max_dialogs=2 * settings.max_calls + 16,
        ),
        clock=clock,
        entropy=entropy,
        doorkeeper=doorkeeper,
        listen=_listen(settings),
        tls=TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_ca),
    )


async def _gate(settings: Settings, store: Store, clock: Clock) -> Gate:
    gate = Gate(
        clock,
        countries=settings.countries,
        targets=settings.sip_targets,
        calls_per_second=settings.calls_per_second,
    )
    gate.carry_over(await seconds_today(store, clock))
    return gate


def _resolver(settings: Settings, clock: Clock, entropy: Entropy) -> Resolver:
    hosts = [host for host in (settings.sip_host, settings.sip_second_host) if host]
    return Resolver(
        clock,
        entropy,
        settings.nameservers,
        ipv4=any(":" not in host for host in hosts),
        ipv6=any(":" in host for host in hosts),
    )


def _listen(settings: Settings) -> list[Listen]:
    """Where SIP is received beyond UDP and TCP of the main address."""
    found: list[Listen] = []
    second, port = settings.sip_second_host, settings.sip_port
    if second:
        found += [Listen("udp", second, port), Listen("tcp", second, port)]
    if settings.tls_certificate:
        hosts = [settings.sip_host, *([second] if second else [])]
        found += [Listen("tls", host, settings.tls_port) for host in hosts]
    return found


def _addresses(settings: Settings) -> tuple[LocalAddress, ...]:
    """The same, as peers reach them."""
    return tuple(
        LocalAddress(
            one.transport,
            settings.signalled_host if one.host == settings.sip_host else one.host,
            one.port,
        )
        for one in _listen(settings)
    )


async def _trunks(store: Store) -> tuple[list[Document], list[Document]]:
    return await store.every("credential"), await store.every("phone_number")


def _watch(metrics: Metrics, endpoint: SipEndpoint) -> None:
    """What a leak would show in, and what an attack does."""
    metrics.watch("runtime_sip_legs", "SIP dialogs of ours", lambda: endpoint.held[0])
    metrics.watch("runtime_sip_transactions", "Live SIP transactions", lambda: endpoint.held[1])
    metrics.watch("runtime_tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks()))
    counters = endpoint.counters
    metrics.watch("runtime_sip_strangers", "Requests not answered", lambda: counters.strangers)
    metrics.watch("runtime_sip_malformed", "Unreadable messages", lambda: counters.malformed)
    metrics.watch("runtime_sip_faults", "Faults of ours", lambda: counters.faults)
