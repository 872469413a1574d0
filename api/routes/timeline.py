"""`/call/{id}/timeline`: what happened in a call, in order; it can be followed while it happens."""

import asyncio
from dataclasses import asdict

from starlette.responses import JSONResponse, Response

from ...store.documents import LIMIT_MAX, StoredTimelineItem
from ..endpoint import Asked, Endpoint
from ..paging import read_number
from ..problems import Problem
from .calls import has_ended, stored_call

WAIT_MAX_S = 30
AFTER_MAX = 2**53  # as far as JSON numbers count exactly

_QUERY = {
    "after": "number, default 0: only items numbered above",
    "limit": f"number, default {LIMIT_MAX}",
    "waitSeconds": f"number up to {WAIT_MAX_S}, default 0: how long to wait when there is none",
}


async def _read(asked: Asked) -> Response:
    query = asked.request.query_params
    faults = [f"property {name[:100]} should not exist" for name in query if name not in _QUERY]
    after = int(read_number(query, "after", 0, (0, AFTER_MAX), faults))
    limit = int(read_number(query, "limit", LIMIT_MAX, (0, LIMIT_MAX), faults))
    wait_s = read_number(query, "waitSeconds", 0, (0, WAIT_MAX_S), faults)
    if faults:
        raise Problem(400, faults[:50])
    call = await stored_call(asked)
    items = await _items(asked, after, limit, 0 if has_ended(call) or not limit else wait_s)
    return JSONResponse(
        {
            "callId": asked.id,
            "items": [asdict(item) for item in items],
            "nextAfter": items[-1].seq if items else after,
        }
    )


async def _items(asked: Asked, after: int, limit: int, wait_s: float) -> list[StoredTimelineItem]:
    # The waiting begins before the store is read: an item that comes between is not missed.
    waiting = asyncio.ensure_future(asked.services.timeline.wait(asked.id, wait_s))
    try:
        items = await _stored(asked, after, limit)
        if not items and wait_s:
            await waiting
            items = await _stored(asked, after, limit)
        return items
    finally:
        waiting.cancel()


async def _stored(asked: Asked, after: int, limit: int) -> list[StoredTimelineItem]:
    store = asked.services.store
    return await store.timeline(asked.org_id, asked.id, after=after, limit=limit)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/call/{id}/timeline",
        _read,
        "Read or follow what happened in a call",
        answer="Timeline",
        query=_QUERY,
    ),
)
