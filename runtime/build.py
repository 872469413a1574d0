"""Construction: every part of the runtime is made here, by plain constructor calls."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from .. import __version__
from ..api.app import create_app
from ..api.auth import ApiKeys
from ..api.metrics import Metrics
from ..base.clock import SystemClock
from ..base.ids import SystemEntropy
from ..calls.call import House
from ..calls.desk import Desk, Limits
from ..calls.restart import end_abandoned_calls
from ..calls.sip_leg import Exchange
from ..calls.timeline import Timeline
from ..calls.wire_log import WireLog
from ..media.io.client import MediaPlane, spawn_media_process
from ..providers.catalog import ProviderCatalog
from ..providers.offline.demo import DEMO_ASSISTANT
from ..sip import UserAgentSettings
from ..sip.events import SipEvent
from ..sip.io.endpoint import SipEndpoint
from ..store.sqlite import SqliteStore
from .first_start import DataFolder, Identity
from .settings import Settings

log = logging.getLogger(__name__)

DATABASE = "aywa.sqlite"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts that serving needs."""

    app: Starlette
    desk: Desk
    identity: Identity
    catalog: ProviderCatalog


class _NoTrunks:
    async def refresh(self) -> None: ...

    def status(self, org_id: str, credential_id: str) -> dict[str, object]:
        return {}

    def statuses(self, org_id: str) -> list[dict[str, object]]:
        return []

    async def test(self, org_id: str, credential_id: str, number: str | None) -> dict[str, object]:
        return {}


@asynccontextmanager
async def runtime(settings: Settings, on_fault: Callable[[str], None]) -> AsyncIterator[Runtime]:
    """Everything started, in order; leaving the block stops it in the opposite order.

    `on_fault` is told when a part died without which no call can be carried. Raises AywaError.
    """
    clock, entropy = SystemClock(), SystemEntropy()
    async with AsyncExitStack() as parts:
        folder = DataFolder(settings.data_dir)
        parts.callback(folder.close)
        identity = folder.identity(settings.api_key, entropy)
        store = await SqliteStore.open(settings.data_dir / DATABASE)
        parts.push_async_callback(store.close)
        await end_abandoned_calls(store, settings.data_dir, clock)
        await folder.seed(store, identity.org_id, DEMO_ASSISTANT, clock, entropy)
        catalog = ProviderCatalog(
            stt_enabled=settings.stt_enabled, tts_enabled=settings.tts_enabled
        )
        await catalog.start()
        parts.push_async_callback(catalog.close)
        media = await spawn_media_process(
            ports=settings.rtp_ports, capacity=settings.max_calls, on_fault=on_fault
        )
        parts.push_async_callback(media.close)
        timeline = Timeline(store, clock)
        writer = asyncio.create_task(timeline.run())
        parts.callback(writer.cancel)
        parts.push_async_callback(timeline.drain)
        metrics = Metrics(__version__)
        house = House(store, timeline, clock, settings.api_url)
        desk = await _desk(settings, house, media, catalog, metrics)
        parts.push_async_callback(desk.stop)
        app = create_app(
            store=store,
            desk=desk.desk,
            trunks=_NoTrunks(),
            keys=ApiKeys.of({identity.api_key: identity.org_id}),
            timeline=timeline,
            version=__version__,
            metrics=metrics,
        )
        folder.tell_address(settings.api_url)
        yield Runtime(app, desk.desk, identity, catalog)


@dataclass(frozen=True, slots=True)
class _StaffedDesk:
    desk: Desk
    endpoint: SipEndpoint

    async def stop(self) -> None:
        await self.desk.close()
        await self.endpoint.close()


async def _desk(
    settings: Settings,
    house: House,
    media: MediaPlane,
    catalog: ProviderCatalog,
    metrics: Metrics,
) -> _StaffedDesk:
    """The desk behind its SIP endpoint. Calls that come before the desk stands wait in a list."""
    entropy = SystemEntropy()
    early: list[SipEvent] = []
    receive: Callable[[SipEvent], None] = early.append
    wire = WireLog()
    endpoint = await SipEndpoint.start(
        settings.sip_host,
        settings.sip_port,
        on_event=lambda event: receive(event),
        on_wire=wire.write,
        settings=UserAgentSettings(
            host=settings.signalled_host,
            port=settings.sip_port,
            product=f"Aywa/{__version__}",
            max_dialogs=2 * settings.max_calls + 16,
        ),
        clock=house.clock,
        entropy=entropy,
    )
    exchange = Exchange(endpoint, media, wire, entropy, settings.sip_host, settings.signalled_host)
    limits = Limits(settings.max_calls, settings.voice_enabled)
    desk = Desk(house, exchange, catalog, settings.data_dir, limits, metrics.call_ended)
    receive = desk.on_sip
    for event in early:
        desk.on_sip(event)
    return _StaffedDesk(desk, endpoint)
