"""Who carries calls in `bench.calls`: the media engine, and the floor that it is compared with."""

import asyncio
import contextlib
import gc
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aywa.media import plane
from aywa.media.io.client import MediaPlane
from aywa.media.io.spawn import spawn_media_process
from aywa.media.io.stream import MediaStream
from aywa.media.sdp import Negotiated
from aywa.sip.message import parse_message
from bench import rig
from bench.parser import MESSAGE
from bench.rig import Plan, RigError

RATE = 8_000
SOUND_S = 4
OFFSET = 5_920  # samples from one call's place in the sound to the next one's, 37 frames
INVITES_S = 0.01  # between two INVITEs of the noise: 100 a second
COLLECT_EVERY = 50  # INVITEs


def speech(seconds: int) -> NDArray[np.int16]:
    """A sound like speech, of `seconds`: spurts of 1.2 s in syllables, pauses of 0.8 s."""
    t = np.arange(SOUND_S * RATE) / RATE
    harmonics = np.arange(1, 21)[:, None] * 127.0
    weight = 1 / (1 + ((harmonics - 550) / 180) ** 2) + 0.5 / (1 + ((harmonics - 1700) / 250) ** 2)
    voice = (weight * np.sin(2 * np.pi * harmonics * t)).sum(axis=0)
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * t / 0.24)
    sound = np.where(t % 2.0 < 1.2, 3_500 * voice * syllables, 0).astype(np.int16)
    return np.tile(sound, seconds // SOUND_S + 1)


class Floor:
    """The floor program: `floor.c`."""

    def __init__(self, process: asyncio.subprocess.Process, ports: list[int], kib: int) -> None:
        self._process = process
        self.pid = process.pid
        self.ports = ports
        self.idle_kib = kib

    @classmethod
    async def start(cls, plan: Plan, first: int, peers: int, folder: Path) -> "Floor":
        """Calls on ports from `first`, to speakers on ports from `peers`."""
        with rig.subject_place():
            process = await asyncio.create_subprocess_exec(
                *(str(rig.BUILT / "floor"), str(first), str(plan.calls), str(peers), str(folder)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        rig.raise_priority(process.pid, os.SCHED_RR, 1)
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        kib = rig.resident_kib(process.pid)
        process.stdin.write(b"\n")
        if not await process.stdout.readline():
            raise RigError("the floor did not start; its reason stands above")
        return cls(process, [first + 2 * n for n in range(plan.calls)], kib)

    async def stop(self) -> int | None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        said, _ = await self._process.communicate()
        if said and not json.loads(said)["received"]:
            raise RigError("the floor heard nothing")
        return None


class Engine:
    """The media engine in a process of its own, as the runtime starts and drives it."""

    def __init__(self, media: MediaPlane, kib: int) -> None:
        assert media.pid is not None
        self._media = media
        self._tasks: list[asyncio.Task[None]] = []
        self._rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtcp.bind(("127.0.0.1", 0))
        self.streams: list[MediaStream] = []
        self.pid = media.pid
        self.ports: list[int] = []
        self.idle_kib = kib

    @classmethod
    async def start(cls, plan: Plan, first: int, peers: int, folder: Path) -> "Engine":
        """Open and configure the streams; each one speaks to a port from `peers` and records."""
        spare = 20
        with rig.subject_place():
            media = await spawn_media_process(
                ports=(first, first + 2 * (plan.calls + spare) - 1),
                capacity=plan.calls + 1,
                on_fault=print,
            )
        assert media.pid is not None
        engine = cls(media, rig.resident_kib(media.pid))
        sound = speech(int(plan.settle_s + plan.seconds) + 30 + SOUND_S)
        for number in range(plan.calls):
            own = folder / str(number)
            own.mkdir()
            stream = await engine.open(f"s{number}", peers + 2 * number, own, plan.capture)
            stream.play(1, sound[number * OFFSET % (SOUND_S * RATE) :])
            engine.ports.append(stream.port)
        if plan.noise:
            engine._tasks.append(asyncio.create_task(_noise()))
        return engine

    async def open(self, name: str, peer: int, folder: Path, capture: bool) -> MediaStream:
        """A recorded stream to a port of this machine."""
        stream = await self._media.open(
            name,
            "127.0.0.1",
            on_event=_discard,
            folder=str(folder),
            record=True,
            capture=capture,
        )
        rtcp = self._rtcp.getsockname()[1]
        stream.configure(Negotiated("127.0.0.1", peer, rtcp, "pcmu", 0, 101, "sendrecv"))
        self.streams.append(stream)
        return stream

    async def stop(self) -> int | None:
        for task in self._tasks:
            task.cancel()
        reports = await asyncio.gather(*(stream.close() for stream in self.streams))
        await self._media.close()
        self._rtcp.close()
        if not all(report.packets_received for report in reports):
            return None  # too busy to tell
        return sum(report.lost + report.late for report in reports)


def _discard(event: plane.Event) -> None:
    """Nobody listens."""


async def _noise() -> None:
    """Keep the control side busy, as a flood of calls would: INVITEs, and garbage collected."""
    async for number in _beats():
        message = parse_message(MESSAGE)
        message.check()
        if number % COLLECT_EVERY == 0:
            gc.collect()


async def _beats() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    due, number = loop.time(), 0
    while True:
        yield number
        due, number = due + INVITES_S, number + 1
        await asyncio.sleep(max(due - loop.time(), 0))
