"""Recordings and captures of a call."""

import asyncio
import logging
import wave
from collections.abc import Callable
from pathlib import Path

from starlette.responses import Response

from ...store.artifacts import CallArtifacts
from ...store.documents import Document
from ..downloads import MonoMix, Source, WholeFile, send
from ..endpoint import Asked, Endpoint
from ..problems import Problem
from .calls import has_ended, stored_call

log = logging.getLogger(__name__)

WAV = "audio/wav"
PCAP = "application/vnd.tcpdump.pcap"


async def _mono(asked: Asked) -> Response:
    path = _existing(asked, await stored_call(asked), CallArtifacts.recording, "recording")
    return send(asked.request, await _open(MonoMix, path), WAV, f"{asked.id}-mono.wav")


async def _stereo(asked: Asked) -> Response:
    path = _existing(asked, await stored_call(asked), CallArtifacts.recording, "recording")
    return send(asked.request, await _open(WholeFile, path), WAV, f"{asked.id}-stereo.wav")


async def _capture(asked: Asked) -> Response:
    path = _existing(asked, await stored_call(asked), CallArtifacts.capture, "capture")
    return send(asked.request, await _open(WholeFile, path), PCAP, f"{asked.id}.pcap")


def _existing(
    asked: Asked, call: Document, find: Callable[[CallArtifacts], Path | None], what: str
) -> Path:
    if not has_ended(call):
        raise Problem(
            404, f"The {what} of this call does not exist yet: it is ready when the call has ended."
        )
    path = find(CallArtifacts(asked.services.desk.artifact_folder(asked.id)))
    if path is None:
        setting = "recordingEnabled" if what == "recording" else "pcapEnabled"
        raise Problem(
            404,
            f"This call has no {what}: artifactPlan.{setting} was off, or the call ended before "
            "there was anything to keep.",
        )
    return path


async def _open(source: Callable[[Path], Source], path: Path) -> Source:
    try:
        return await asyncio.to_thread(source, path)
    except (wave.Error, EOFError, OSError) as error:
        log.error("an artifact cannot be read", extra={"path": path, "why": error})
        raise Problem(404, f"The file {path.name} of this call cannot be read.") from error


ENDPOINTS = tuple(
    Endpoint("GET", path, handler, summary, answer=answer, also=(416,))
    for path, handler, summary, answer in (
        ("/call/{id}/recording", _mono, "The recording, mixed to one channel", WAV),
        ("/call/{id}/mono-recording", _mono, "The recording, mixed to one channel", WAV),
        ("/call/{id}/recording/stereo", _stereo, "The recording, caller left", WAV),
        ("/call/{id}/stereo-recording", _stereo, "The recording, caller left", WAV),
        ("/call/{id}/pcap", _capture, "The capture of the call's packets", PCAP),
    )
)
