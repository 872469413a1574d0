"""The timeline's writer: in order, in batches, and patient with a store that fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from aywa.calls import timeline as module
from aywa.calls.timeline import Timeline
from aywa.store.documents import StoreError, TimelineItem

CALL = ("org", "call")


class _Clock:
    def monotonic(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 1_000.0


class _Store:
    def __init__(self) -> None:
        self.items: list[TimelineItem] = []
        self.batches = 0
        self.failures = 0

    async def append_timeline(
        self, org_id: str, call_id: str, items: Sequence[TimelineItem]
    ) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StoreError("disk full")
        self.batches += 1
        self.items.extend(items)


@contextlib.asynccontextmanager
async def _running(store: Any) -> AsyncIterator[Timeline]:
    timeline = Timeline(store, _Clock())
    writer = asyncio.create_task(timeline.run())
    try:
        yield timeline
    finally:
        writer.cancel()


async def test_items_are_written_in_order_and_together() -> None:
    store = _Store()
    async with _running(store) as timeline:
        for number in range(5):
            timeline.note(CALL, "log", f"item-{number}", {})
        await timeline.drain()
    assert [item.type for item in store.items] == [f"item-{number}" for number in range(5)]
    assert store.batches == 1


async def test_an_item_bears_the_time_when_it_happened() -> None:
    store = _Store()
    async with _running(store) as timeline:
        timeline.note(CALL, "log", "past", {}, at=98.5)
        await timeline.drain()
    assert store.items[0].time == "1970-01-01T00:16:38.500Z"


async def test_what_comes_while_a_batch_is_written_is_written_next() -> None:
    store = _Store()
    async with _running(store) as timeline:
        timeline.note(CALL, "log", "first", {})
        await asyncio.sleep(0)  # the writer has taken its batch and waits for the store
        timeline.note(CALL, "log", "second", {})
        await timeline.drain()
    assert [item.type for item in store.items] == ["first", "second"]


async def test_nothing_is_lost_when_the_store_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    store = _Store()
    store.failures = 3
    async with _running(store) as timeline:
        timeline.note(CALL, "log", "kept", {})
        await timeline.drain()
    assert [item.type for item in store.items] == ["kept"]


def test_what_cannot_be_held_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ITEMS_HELD", 3)
    store: Any = _Store()
    timeline = Timeline(store, _Clock())
    for _ in range(5):
        timeline.note(CALL, "log", "item", {})
    assert timeline.dropped == 2


async def test_a_follower_is_woken_by_its_own_call() -> None:
    async with _running(_Store()) as timeline:
        following = asyncio.create_task(timeline.wait("call", 5.0))
        other = asyncio.create_task(timeline.wait("another", 5.0))
        await asyncio.sleep(0)
        timeline.note(CALL, "log", "item", {})
        await asyncio.wait_for(following, 1.0)
        assert not other.done()
        other.cancel()
