"""What every store must do, whatever it is built on."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aywa.store.documents import (
    Document,
    DocumentExists,
    Filters,
    SchemaMismatch,
    Span,
    Store,
    StoreError,
    TimelineItem,
)
from aywa.store.migrate import MIGRATIONS, migrate
from aywa.store.sqlite import SqliteStore

ORG, OTHER = "org-1", "org-2"


@pytest.fixture(params=["sqlite"])
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await SqliteStore.open(tmp_path / "a.sqlite")
    yield opened
    await opened.close()


def document(index: int = 1, org: str = ORG, at: str | None = None, **fields: object) -> Document:
    moment = at or f"2026-01-01T00:00:00.{index:03d}Z"
    return {"id": f"id-{index}", "orgId": org, "createdAt": moment, "updatedAt": moment, **fields}


def item(number: int) -> TimelineItem:
    return TimelineItem("2026-01-01T00:00:00.000Z", "log", f"type-{number}", {"n": number})


async def test_a_document_is_kept_changed_and_removed(store: Store) -> None:
    await store.insert("assistant", document(name="A", model={"x": [1, None, "é"]}))
    assert await store.get("assistant", ORG, "id-1") == document(
        name="A", model={"x": [1, None, "é"]}
    )
    with pytest.raises(DocumentExists):
        await store.insert("assistant", document())
    assert await store.replace("assistant", document(name="B"))
    assert not await store.replace("assistant", document(9))
    merged = await store.merge("assistant", ORG, "id-1", {"name": None, "voice": {"a": 1}})
    assert merged == document(voice={"a": 1})
    assert await store.delete("assistant", ORG, "id-1") == merged
    assert await store.delete("assistant", ORG, "id-1") is None
    assert await store.merge("assistant", ORG, "id-1", {}) is None


async def test_nothing_is_seen_of_another_organisation_or_kind(store: Store) -> None:
    await store.insert("assistant", document())
    for kind, org in (("assistant", OTHER), ("call", ORG)):
        assert await store.get(kind, org, "id-1") is None
        assert await store.find(kind, org, Filters()) == []
        assert await store.merge(kind, org, "id-1", {"name": "X"}) is None
        assert await store.delete(kind, org, "id-1") is None
    assert not await store.replace("assistant", document(org=OTHER))
    await store.insert("assistant", document(org=OTHER, name="theirs"))
    assert await store.get("assistant", ORG, "id-1") == document()


async def test_lists_are_newest_first_filtered_and_bounded(store: Store) -> None:
    for number in (2, 1, 3):
        await store.insert("call", document(number, status="ended", assistantId=f"a{number % 2}"))
    tie = document(4, at=document(3)["createdAt"])
    await store.insert("call", tie)

    async def ids(**filters: object) -> list[str]:
        found = await store.find("call", ORG, Filters(**filters))  # type: ignore[arg-type]
        return [one["id"] for one in found]

    assert sorted((await ids())[:2]) == ["id-3", "id-4"]
    assert await ids() == await ids()
    assert (await ids())[2:] == ["id-2", "id-1"]
    middle = document(2)["createdAt"]
    assert "id-2" in await ids(created=Span(ge=middle))
    assert "id-2" not in await ids(created=Span(gt=middle))
    assert await ids(created=Span(lt=middle)) == ["id-1"]
    assert await ids(updated=Span(le=middle)) == ["id-2", "id-1"]
    assert await ids(equal={"assistantId": "a0"}) == ["id-2"]
    assert len(await ids(limit=2)) == 2
    assert await ids(limit=0) == []


async def test_a_called_user_finds_the_oldest_number(store: Store) -> None:
    await store.insert("phone_number", document(2, OTHER, number="demo"))
    await store.insert("phone_number", document(1, number="demo"))
    await store.insert("phone_number", document(3, sipUri="sip:sales@example.com"))
    found = [await store.phone_number_for(user) for user in ("demo", "sales", "nobody", "")]
    assert [one and one["id"] for one in found] == ["id-1", "id-3", None, None]


async def test_live_calls_of_every_organisation_oldest_first(store: Store) -> None:
    await store.insert("call", document(2, OTHER, status="ringing"))
    await store.insert("call", document(1, status="in-progress"))
    await store.insert("call", document(3, status="ended"))
    assert [call["id"] for call in await store.live_calls()] == ["id-1", "id-2"]


async def test_the_timeline_is_gapless_and_belongs_to_its_call(store: Store) -> None:
    await store.insert("call", document(1))
    await store.insert("call", document(2))
    await store.append_timeline(ORG, "id-1", [item(1), item(2)])
    await store.append_timeline(ORG, "id-2", [item(9)])
    await store.append_timeline(ORG, "id-1", [item(3)])
    await store.append_timeline(OTHER, "id-1", [item(7)])
    await store.append_timeline(ORG, "unknown", [item(7)])
    items = await store.timeline(ORG, "id-1")
    assert [(one.seq, one.type, one.data) for one in items] == [
        (n, f"type-{n}", {"n": n}) for n in (1, 2, 3)
    ]
    assert [one.seq for one in await store.timeline(ORG, "id-1", after=1, limit=1)] == [2]
    assert await store.timeline(OTHER, "id-1") == []
    await store.delete("call", ORG, "id-1")
    assert await store.timeline(ORG, "id-1") == []


async def test_what_was_written_outlives_the_store(tmp_path: Path) -> None:
    for round_ in range(2):
        store = await SqliteStore.open(tmp_path / "a.sqlite")
        if round_ == 0:
            await store.insert("assistant", document(name="A"))
        assert await store.get("assistant", ORG, "id-1") == document(name="A")
        await store.close()


async def test_a_file_that_is_no_database_is_told_and_nothing_hangs(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"cannot be opened|not a database"):
        await SqliteStore.open(tmp_path / "a.sqlite")


def test_migrations_run_once_and_are_guarded(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    path = tmp_path / "a.sqlite"
    assert migrate(path, folder) == migrate(path, folder) == 1
    edited = next(iter(sorted(folder.glob("*.sql"))))
    text = edited.read_text()
    edited.write_text(text + "\n-- another word\n")
    with pytest.raises(SchemaMismatch):
        migrate(path, folder)
    edited.write_text(text)
    (folder / "0002.sql").write_text("CREATE TABLE extra (a INTEGER);\n")
    assert migrate(path, folder) == 2
    (folder / "0002.sql").unlink()
    with pytest.raises(SchemaMismatch, match=r"2.*1|1.*2"):
        migrate(path, folder)
    (folder / "0002.sql").write_text("CREATE TABLE extra (a INTEGER);\n")
    (folder / "0003.sql").write_text("CREATE TABLE more (a INTEGER);\nnonsense;\n")
    with pytest.raises(sqlite3.Error):
        migrate(path, folder)
    (folder / "0003.sql").write_text("CREATE TABLE more (a INTEGER);\n")
    assert migrate(path, folder) == 3
