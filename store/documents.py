"""What the product asks of its store: documents by kind, and the timeline of each call.

A document is a JSON object with `id`, `orgId`, `createdAt` and `updatedAt`. The store knows nothing
of what else stands in it, but for the few fields that can be searched. Every question names the
organisation whose documents it is about; only `every`, `phone_number_for` and `live_calls` look
across, as an inbound call and a restart must.

    StoreError
    ├── DocumentExists     a document of that kind and id is already there
    └── SchemaMismatch     the database was made by another version of the product
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..base.errors import AywaError

Kind = Literal["assistant", "phone_number", "credential", "call"]

Document = dict[str, Any]

Field = Literal["id", "assistantId", "phoneNumberId", "status", "number"]
"""The fields a document can be searched by."""

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000


class StoreError(AywaError):
    """The store cannot do what was asked; the message says why."""


class DocumentExists(StoreError):
    """A document of that kind and id is already there."""


class SchemaMismatch(StoreError):
    """The database was made by another version of the product."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bounds on a timestamp, in the form that documents print: ISO 8601, UTC, milliseconds, Z."""

    gt: str | None = None
    ge: str | None = None
    lt: str | None = None
    le: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents of a kind are wanted; every condition must hold."""

    created: Span = Span()
    updated: Span = Span()
    equal: Mapping[Field, str] = field(default_factory=dict)
    limit: int = LIMIT_DEFAULT


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One thing that happened in a call. `time` is ISO 8601, UTC, milliseconds, Z."""

    time: str
    source: Literal["log", "message", "status", "media", "sip", "warning", "artifact"]
    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredTimelineItem:
    """A timeline item and its place in its call: 1, 2, 3 and so on, without a gap."""

    seq: int
    time: str
    source: str
    type: str
    data: Document


class Store(Protocol):
    """Documents and timelines that outlive the process. Every method may raise StoreError."""

    async def insert(self, kind: Kind, document: Document) -> None:
        """Add a document. Raises DocumentExists when its organisation has that id already."""
        ...

    async def get(self, kind: Kind, org_id: str, document_id: str) -> Document | None:
        """The document, or None when this organisation has none of that id."""
        ...

    async def find(self, kind: Kind, org_id: str, filters: Filters) -> list[Document]:
        """Matching documents, newest `createdAt` first; among equals in the order of their ids."""
        ...

    async def replace(self, kind: Kind, document: Document) -> bool:
        """Put `document` in place of the one with its `orgId` and `id`; False: there is none."""
        ...

    async def merge(
        self, kind: Kind, org_id: str, document_id: str, changes: Mapping[str, Any]
    ) -> Document | None:
        """Set the top-level keys of `changes` in one step; a key with None is removed.

        Unlike `get` and `replace` it loses nothing that somebody else writes meanwhile. Gives the
        changed document, or None when there is none.
        """
        ...

    async def delete(self, kind: Kind, org_id: str, document_id: str) -> Document | None:
        """Remove a document, a call's timeline with it. Gives what was removed."""
        ...

    async def phone_number_for(self, user: str) -> Document | None:
        """The phone number that `user`, the user part of a called SIP URI, reaches, of any org.

        It matches a `number` equal to `user`, or the user part of a `sipUri`. When several do, the
        one that was created first: a later one cannot take its calls away.
        """
        ...

    async def every(self, kind: Kind, created_from: str = "") -> list[Document]:
        """Documents of every organisation with this `createdAt` or a later one, oldest first."""
        ...

    async def live_calls(self) -> list[Document]:
        """Calls of every organisation whose status is not `ended`, oldest first."""
        ...

    async def append_timeline(
        self, org_id: str, call_id: str, items: Sequence[TimelineItem]
    ) -> None:
        """Add items to a call's timeline, all or none, numbered on from the last.

        Items of a call that is not in the store, such as one deleted meanwhile, are dropped.
        """
        ...

    async def timeline(
        self, org_id: str, call_id: str, *, after: int = 0, limit: int = LIMIT_MAX
    ) -> list[StoredTimelineItem]:
        """Up to `limit` items with a number above `after`, in order."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        ...
