"""The timeline: what happened in a call, in order, written down without making the call wait.

Calls note items synchronously; one writer task stores them in batches, so that a crash loses at
most what one batch holds. Whoever follows a call is woken when its items are in the store.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from ..base.clock import Clock, iso
from ..base.errors import AywaError
from ..store.documents import Store, TimelineItem

log = logging.getLogger(__name__)

Source = Literal["log", "message", "status", "media", "sip", "warning", "artifact"]

ITEMS_HELD = 20_000  # while the store cannot be written; beyond, new items are counted and dropped
RETRY_S = 0.5


class Timeline:
    """Takes items of all calls and writes them to the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held: dict[tuple[str, str], list[TimelineItem]] = {}
        self._count = 0
        self._arrived = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.dropped = 0

    def note(
        self,
        call: tuple[str, str],
        source: Source,
        kind: str,
        data: Mapping[str, Any],
        at: float | None = None,
    ) -> None:
        """Add an item to the timeline of `call` (organisation id, call id).

        `at` is monotonic seconds; None means now.
        """
        if self._count >= ITEMS_HELD:
            self.dropped += 1
            return
        age = 0.0 if at is None else self._clock.monotonic() - at
        item = TimelineItem(iso(self._clock.wall() - age), source, kind, dict(data))
        self._held.setdefault(call, []).append(item)
        self._count += 1
        self._written.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Write items as they come, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                await self._write_held()
            except (AywaError, OSError) as error:
                log.error("the timeline cannot be written; trying again", extra={"why": error})
                self._arrived.set()
                await asyncio.sleep(RETRY_S)

    async def drain(self) -> None:
        """Wait until everything noted so far is in the store."""
        await self._written.wait()

    async def wait(self, call_id: str, timeout_s: float) -> None:
        """Return when items of the call were stored, or after `timeout_s` seconds."""
        woken = asyncio.Event()
        self._followers[call_id].add(woken)
        try:
            await asyncio.wait_for(woken.wait(), timeout_s)
        except TimeoutError:
            pass
        finally:
            self._followers[call_id].discard(woken)
            if not self._followers[call_id]:
                del self._followers[call_id]

    async def _write_held(self) -> None:
        while self._held:
            call, items = next(iter(self._held.items()))
            batch = items.copy()
            await self._store.append_timeline(*call, batch)
            del items[: len(batch)]  # notes may have been added meanwhile
            if not items:
                del self._held[call]
            self._count -= len(batch)
            for follower in self._followers.get(call[1], ()):
                follower.set()
        self._written.set()
