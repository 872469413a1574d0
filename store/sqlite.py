"""The embedded store: one SQLite file, one connection that writes and one that reads.

Every operation is a single statement (`queries.sql`), so it happens wholly or not at all, also when
the task that asked is cancelled.
"""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiosqlite

from .documents import (
    LIMIT_MAX,
    Document,
    DocumentExists,
    Field,
    Filters,
    Kind,
    Span,
    StoredTimelineItem,
    StoreError,
    TimelineItem,
)
from .migrate import migrate

BUSY_S = 10.0  # how long a statement waits for another process, such as a backup

# FULL: an answered request must survive a power cut, and writes are too few for the cost to show.
# secure_delete: an erased call must not be readable in the file's free pages.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"

_SEARCHABLE: tuple[Field, ...] = ("id", "assistantId", "phoneNumberId", "status", "number")


def _load_queries() -> dict[str, str]:
    text = (Path(__file__).parent / "queries.sql").read_text("utf-8")
    _, *parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


_QUERIES = _load_queries()


class SqliteStore:
    """A `Store` in one file. Made by `open`."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open the file, make it when absent, and bring its schema up to date."""
        try:
            await asyncio.to_thread(_prepare, path)
            async with contextlib.AsyncExitStack() as opened:
                writer = await _connect(path)
                opened.push_async_callback(writer.close)
                await writer.create_function("shallow_merge", 2, _shallow_merge, deterministic=True)
                reader = await _connect(path)
                opened.pop_all()
            return cls(path, writer, reader)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"The database {path} cannot be opened: {error}.") from error

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()

    async def insert(self, kind: Kind, document: Document) -> None:
        try:
            await self._run(self._writer, "insert", **_key_of(kind, document), **_body(document))
        except StoreError as error:
            if not _is_duplicate(error.__cause__):
                raise
            raise DocumentExists(f"There is already a {kind} {document['id']}.") from error

    async def get(self, kind: Kind, org_id: str, document_id: str) -> Document | None:
        return _first(
            await self._run(self._reader, "get", kind=kind, org_id=org_id, id=document_id)
        )

    async def find(self, kind: Kind, org_id: str, filters: Filters) -> list[Document]:
        rows = await self._run(
            self._reader,
            "find",
            kind=kind,
            org_id=org_id,
            limit=filters.limit,
            **_bounds("created", filters.created),
            **_bounds("updated", filters.updated),
            **{name: filters.equal.get(name) for name in _SEARCHABLE},
        )
        return [json.loads(row[0]) for row in rows]

    async def replace(self, kind: Kind, document: Document) -> bool:
        rows = await self._run(
            self._writer, "replace", **_key_of(kind, document), **_body(document)
        )
        return bool(rows)

    async def merge(
        self, kind: Kind, org_id: str, document_id: str, changes: Mapping[str, Any]
    ) -> Document | None:
        return _first(
            await self._run(
                self._writer,
                "merge",
                kind=kind,
                org_id=org_id,
                id=document_id,
                changes=_text(changes),
            )
        )

    async def delete(self, kind: Kind, org_id: str, document_id: str) -> Document | None:
        return _first(
            await self._run(self._writer, "delete", kind=kind, org_id=org_id, id=document_id)
        )

    async def phone_number_for(self, user: str) -> Document | None:
        return _first(await self._run(self._reader, "phone_number_for", user=user))

    async def every(self, kind: Kind, created_from: str = "") -> list[Document]:
        rows = await self._run(self._reader, "every", kind=kind, created_from=created_from)
        return [json.loads(row[0]) for row in rows]

    async def live_calls(self) -> list[Document]:
        return [json.loads(row[0]) for row in await self._run(self._reader, "live_calls")]

    async def append_timeline(
        self, org_id: str, call_id: str, items: Sequence[TimelineItem]
    ) -> None:
        rows = [(item.time, item.source, item.type, _text(item.data)) for item in items]
        await self._run(
            self._writer, "append_timeline", org_id=org_id, call_id=call_id, items=_text(rows)
        )

    async def timeline(
        self, org_id: str, call_id: str, *, after: int = 0, limit: int = LIMIT_MAX
    ) -> list[StoredTimelineItem]:
        rows = await self._run(
            self._reader, "timeline", org_id=org_id, call_id=call_id, after=after, limit=limit
        )
        return [
            StoredTimelineItem(seq, time, source, kind, json.loads(data))
            for seq, time, source, kind, data in rows
        ]

    async def _run(
        self, connection: aiosqlite.Connection, query: str, **parameters: Any
    ) -> list[sqlite3.Row]:
        try:
            return list(await connection.execute_fetchall(_QUERIES[query], parameters))
        except (sqlite3.Error, ValueError) as error:  # ValueError: the connection is closed
            raise StoreError(
                f"The database {self._path} did not {query.replace('_', ' ')}: {error}."
            ) from error


def _prepare(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # it holds what people said on the telephone
    migrate(path)


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path, timeout=BUSY_S, isolation_level=None)
    await connection.executescript(PRAGMAS)
    return connection


def _is_duplicate(cause: BaseException | None) -> bool:
    return (
        isinstance(cause, sqlite3.IntegrityError)
        and cause.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shallow_merge(document: str, changes: str) -> str:
    merged = json.loads(document) | json.loads(changes)
    return _text({key: value for key, value in merged.items() if value is not None})


def _key_of(kind: Kind, document: Document) -> dict[str, str]:
    return {"kind": kind, "org_id": document["orgId"], "id": document["id"]}


def _body(document: Document) -> dict[str, str]:
    return {"document": _text(document)}


def _bounds(name: str, span: Span) -> dict[str, str]:
    absent = {"gt": "", "ge": "", "lt": "~", "le": "~"}
    given = {bound: value for bound, value in asdict(span).items() if value is not None}
    return {f"{name}_{bound}": value for bound, value in (absent | given).items()}


def _first(rows: Sequence[sqlite3.Row]) -> Document | None:
    document: Document | None = json.loads(rows[0][0]) if rows else None
    return document
