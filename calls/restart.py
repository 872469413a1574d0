"""After a restart: what the last process left behind.

Calls that it could not end are ended and their files made readable; what trunks have used of their
minutes today is counted from the calls of the day.
"""

import logging
from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from ..base.clock import Clock, iso
from ..store.artifacts import artifacts_of
from ..store.documents import Store, TimelineItem
from . import state
from .repairs import mended

log = logging.getLogger(__name__)

DAY_S = 86_400
MESSAGE = "The runtime stopped during the call; it was ended at the next start."


async def end_abandoned_calls(store: Store, data_dir: Path, clock: Clock) -> int:
    """End every call that is not ended; gives their number. Must run before calls are taken."""
    abandoned = await store.live_calls()
    for document in abandoned:
        now = iso(clock.wall())
        items = [
            TimelineItem(now, "artifact", f"{name}-repaired", asdict(repair))
            for name, repair in mended(artifacts_of(data_dir, document["id"])).items()
        ]
        ending = {"endedReason": state.WORKER_SHUTDOWN, "endedMessage": MESSAGE}
        items.append(TimelineItem(now, "status", "status-update", {"status": "ended", **ending}))
        key = (document["orgId"], document["id"])
        await store.append_timeline(*key, items)
        changes = {"status": "ended", "endedAt": now, "updatedAt": now, **ending}
        await store.merge("call", *key, changes)
        log.warning("abandoned call ended", extra={"call": document["id"]})
    return len(abandoned)


async def seconds_today(store: Store, clock: Clock) -> dict[str, float]:
    """How long today's outbound calls of each trunk have lasted, in seconds (UTC)."""
    midnight = clock.wall() // DAY_S * DAY_S
    used: defaultdict[str, float] = defaultdict(float)
    for call in await store.every("call", iso(midnight - DAY_S)):
        trunk_id = ((call.get("phoneCallProviderDetails") or {}).get("sip") or {}).get("trunkId")
        began, ended = _epoch(call.get("startedAt")), _epoch(call.get("endedAt"))
        if trunk_id and call["type"] == "outboundPhoneCall" and began and ended:
            used[trunk_id] += max(0.0, ended - max(began, midnight))
    return dict(used)


def _epoch(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
