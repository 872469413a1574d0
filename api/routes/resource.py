"""What stored resources have in common: made, read, changed, listed, removed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from ...base.clock import iso
from ...store.documents import Document
from ..bodies import read_object
from ..endpoint import Asked
from ..paging import read_filters
from ..problems import not_found
from ..schemas.validation import check
from ..secrets import SecretPaths, with_kept_secrets, without_secrets

SYSTEM_KEYS = ("id", "orgId", "createdAt", "updatedAt")

LEGACY_SERVER = {"url": "serverUrl", "secret": "serverUrlSecret"}
"""Keys of `server`, and the older keys of the resource that mean the same."""

ReferenceCheck = Callable[[Asked, Document], Awaitable[None]]


Change = Callable[[Asked], Awaitable[None]]


async def _refers_to_nothing(asked: Asked, body: Document) -> None:
    """For resources that name no other."""


async def _concerns_nobody(asked: Asked) -> None:
    """For resources that nothing in memory is made of."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of document with its model, and the handlers for it."""

    kind: Literal["assistant", "phone_number", "credential"]
    name: str
    model: type[BaseModel]
    check_references: ReferenceCheck = _refers_to_nothing
    given: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the runtime adds when it makes a document, and clients cannot set."""
    secrets: SecretPaths = ()
    """What is masked in answers."""
    changed: Change = _concerns_nobody
    """Called after every change."""

    async def create(self, asked: Asked) -> Response:
        body = await self._read_whole(asked)
        now = iso(asked.services.clock.wall())
        document = {
            "id": asked.services.entropy.uuid(),
            "orgId": asked.org_id,
            "createdAt": now,
            "updatedAt": now,
            **self.given,
            **body,
        }
        await asked.services.store.insert(self.kind, document)
        await self.changed(asked)
        return self._shown(document, 201)

    async def list(self, asked: Asked) -> Response:
        filters = read_filters(asked.request.query_params)
        found = await asked.services.store.find(self.kind, asked.org_id, filters)
        return JSONResponse([without_secrets(document, self.secrets) for document in found])

    async def get(self, asked: Asked) -> Response:
        return self._shown(await self._stored(asked))

    async def update(self, asked: Asked) -> Response:
        stored = await self._stored(asked)
        body = with_kept_secrets(await read_object(asked.request), stored, self.secrets)
        check(self.model, self._own(stored) | body)
        await self.check_references(asked, body)
        changes = adopt_legacy_server(body, stored.get("server"))
        changes["updatedAt"] = iso(asked.services.clock.wall())
        changed = await asked.services.store.merge(self.kind, asked.org_id, asked.id, changes)
        await self.changed(asked)
        return self._shown(self._found(asked, changed))

    async def replace(self, asked: Asked) -> Response:
        stored = await self._stored(asked)
        body = await self._read_whole(asked)
        kept = {key: stored[key] for key in (*SYSTEM_KEYS, *self.given)}
        document = kept | body | {"updatedAt": iso(asked.services.clock.wall())}
        replaced = await asked.services.store.replace(self.kind, document)
        await self.changed(asked)
        return self._shown(self._found(asked, document if replaced else None))

    async def delete(self, asked: Asked) -> Response:
        removed = await asked.services.store.delete(self.kind, asked.org_id, asked.id)
        await self.changed(asked)
        return self._shown(self._found(asked, removed))

    def _shown(self, document: Document, status: int = 200) -> Response:
        return JSONResponse(without_secrets(document, self.secrets), status)

    async def _read_whole(self, asked: Asked) -> Document:
        body = await read_object(asked.request)
        check(self.model, body)
        await self.check_references(asked, body)
        return without_nulls(adopt_legacy_server(body, None))

    async def _stored(self, asked: Asked) -> Document:
        document = await asked.services.store.get(self.kind, asked.org_id, asked.id)
        return self._found(asked, document)

    def _found(self, asked: Asked, document: Document | None) -> Document:
        if document is None:
            raise not_found(self.name, asked.id)
        return document

    def _own(self, document: Document) -> Document:
        """The part of a stored document that clients set."""
        return {k: v for k, v in document.items() if k not in (*SYSTEM_KEYS, *self.given)}


def without_nulls(body: Document) -> Document:
    """A null at the top level says the same as an absent key."""
    return {key: value for key, value in body.items() if value is not None}


def adopt_legacy_server(body: Document, stored_server: Document | None) -> Document:
    """`body` with the older keys moved into `server`; what `server` itself says wins."""
    older = {key: body[old] for key, old in LEGACY_SERVER.items() if old in body}
    rest = {key: value for key, value in body.items() if key not in LEGACY_SERVER.values()}
    if not older:
        return rest
    server = (stored_server or {}) | older
    if "server" in body:
        server = older | (body["server"] or {})
    return rest | {"server": without_nulls(server) or None}
