"""Files of calls whose writer was killed: made readable up to the last whole sample and packet."""

import logging

from ..media.recovery import Repair, repair_capture, repair_recording
from ..store.artifacts import CallArtifacts

log = logging.getLogger(__name__)


def mended(artifacts: CallArtifacts) -> dict[str, Repair]:
    """What was done to the files of a call, by kind of file; nobody may write them meanwhile."""
    repairs = {}
    try:
        if recording := artifacts.recording():
            repairs["recording"] = repair_recording(recording)
        if capture := artifacts.capture():
            repairs["pcap"] = repair_capture(capture)
    except OSError as error:
        log.error("not repaired", extra={"call": artifacts.folder.name, "why": error})
    return repairs
