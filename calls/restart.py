"""After a restart: calls that the last process left behind are ended, their files made readable."""

import logging
from pathlib import Path

from ..base.clock import Clock, iso
from ..media.recovery import Repair, repair_capture, repair_recording
from ..store.artifacts import artifacts_of
from ..store.documents import Document, Store, TimelineItem
from . import state

log = logging.getLogger(__name__)

MESSAGE = "The runtime stopped during the call; it was ended at the next start."


async def end_abandoned_calls(store: Store, data_dir: Path, clock: Clock) -> int:
    """End every call that is not ended; gives their number. Must run before calls are taken."""
    abandoned = await store.live_calls()
    for document in abandoned:
        now = iso(clock.wall())
        items = [
            TimelineItem(now, "artifact", f"{name}-repaired", {"kept": r.kept, "cut": r.cut})
            for name, r in _repairs(data_dir, document).items()
        ]
        ending = {"endedReason": state.WORKER_SHUTDOWN, "endedMessage": MESSAGE}
        items.append(TimelineItem(now, "status", "status-update", {"status": "ended", **ending}))
        key = (document["orgId"], document["id"])
        await store.append_timeline(*key, items)
        changes = {"status": "ended", "endedAt": now, "updatedAt": now, **ending}
        await store.merge("call", *key, changes)
        log.warning("abandoned call ended", extra={"call": document["id"]})
    return len(abandoned)


def _repairs(data_dir: Path, document: Document) -> dict[str, Repair]:
    artifacts = artifacts_of(data_dir, document["id"])
    repairs = {}
    try:
        if recording := artifacts.recording():
            repairs["recording"] = repair_recording(recording)
        if capture := artifacts.capture():
            repairs["pcap"] = repair_capture(capture)
    except OSError as error:
        log.error("artifact not repaired", extra={"call": document["id"], "why": error})
    return repairs
