"""Construction: every part of the runtime is made here, by plain constructor calls."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette

from .. import __version__
from ..api.app import create_app
from ..api.auth import ApiKeys
from ..api.metrics import Metrics
from ..base.clock import SystemClock
from ..base.ids import SystemEntropy
from ..calls.call import House
from ..calls.desk import Desk
from ..calls.restart import end_abandoned_calls
from ..calls.timeline import Timeline
from ..media.io.engines import MediaEngines
from ..media.io.spawn import spawn_media_process
from ..providers.catalog import ProviderCatalog
from ..providers.offline.demo import DEMO_ASSISTANT
from ..store.sqlite import SqliteStore
from .first_start import DataFolder, Identity
from .media_watch import media_readiness, watch_media
from .settings import Settings
from .telephony import Telephony

log = logging.getLogger(__name__)

DATABASE = "aywa.sqlite"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts that serving needs."""

    app: Starlette
    desk: Desk
    identity: Identity
    catalog: ProviderCatalog


@asynccontextmanager
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Everything started, in order; leaving the block stops it in the opposite order.

    Raises AywaError.
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
        media = MediaEngines(
            ports=settings.rtp_ports,
            capacity=settings.max_calls,
            processes=settings.media_processes,
            spawn=partial(spawn_media_process, sockets=settings.media_io),
        )
        await media.start()
        parts.push_async_callback(media.close)
        timeline = Timeline(store, clock)
        writer = asyncio.create_task(timeline.run())
        parts.callback(writer.cancel)
        parts.push_async_callback(timeline.drain)
        metrics = Metrics(__version__)
        watch_media(metrics, media)
        house = House(store, timeline, clock, settings.api_url)
        secret = folder.secret(entropy)
        telephony = await Telephony.start(settings, house, media, catalog, metrics, secret=secret)
        parts.push_async_callback(telephony.stop)
        app = create_app(
            store=store,
            desk=telephony.desk,
            trunks=telephony.trunks,
            trunk_tester=telephony.tester,
            keys=ApiKeys.of({identity.api_key: identity.org_id}),
            timeline=timeline,
            version=__version__,
            metrics=metrics,
            readiness={"media": media_readiness(media)},
        )
        folder.tell_address(settings.api_url)
        yield Runtime(app, telephony.desk, identity, catalog)
