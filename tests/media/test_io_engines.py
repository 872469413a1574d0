"""Several media processes: streams are divided among them, and one that dies is replaced."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from aywa.codecs import wav
from aywa.media import MediaError, plane
from aywa.media.io import engines
from aywa.media.io.client import MediaPlane
from aywa.media.io.engines import MediaEngines, Share, shared
from aywa.media.io.stream import MediaStream
from aywa.media.quality import StreamReport
from aywa.media.sdp import Negotiated
from aywa.simulation.loop import run_virtual

from .conftest import noise

PORTS = (31_100, 31_139)
RESTART_S = 2.0


@asynccontextmanager
async def running(processes: int, capacity: int = 8) -> AsyncIterator[MediaEngines]:
    media = MediaEngines(ports=PORTS, capacity=capacity, processes=processes)
    await media.start()
    try:
        yield media
    finally:
        await media.close()


def kill(engine: Share, number: int = signal.SIGKILL) -> None:
    assert engine.media
    assert engine.media.pid
    os.kill(engine.media.pid, number)


class Peer:
    """A socket that a stream sends to, and when its packets came."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.came: list[float] = []
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    def _read(self) -> None:
        self.socket.recv(2_048)
        self.came.append(time.monotonic())

    def within(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.came)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def listen(self, stream: MediaStream) -> None:
        port = self.socket.getsockname()[1]
        stream.configure(Negotiated("127.0.0.1", port, port, "pcmu", 0, 101, "sendrecv"))


async def until(true: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until it is true; gives how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def owner(media: MediaEngines, port: int) -> Share:
    [found] = [one for one in media.engines if one.ports[0] <= port <= one.ports[1]]
    return found


async def test_a_killed_engine_loses_its_streams_and_no_others(tmp_path: Path) -> None:
    events: list[plane.Event] = []
    async with running(2) as media:
        names = [f"s{number}" for number in range(6)]
        streams, peers, folders = {}, {}, {}
        for name in names:
            folder = folders[name] = tmp_path / name
            folder.mkdir()
            streams[name] = await media.open(
                name, "127.0.0.1", on_event=events.append, folder=str(folder), record=True
            )
            peers[name] = Peer()
            peers[name].listen(streams[name])
            streams[name].play(1, noise(8_000))
        home = {name: owner(media, stream.port) for name, stream in streams.items()}
        dead, other = media.engines
        on_dead = [name for name in names if home[name] is dead]
        living = [name for name in names if home[name] is other]
        assert len(on_dead) == len(living) == 3
        await until(lambda: all(len(peer.came) > 75 for peer in peers.values()))
        old_ports = {streams[name].port for name in on_dead}

        before = {name: len(peers[name].came) for name in living}
        killed = time.monotonic()
        kill(dead)
        noticed = await until(lambda: dead.media is None)
        assert noticed < 0.5
        lost = [event for event in events if isinstance(event, plane.StreamLost)]
        assert sorted(event.stream for event in lost) == on_dead
        assert all("died" in event.reason for event in lost)

        await until(lambda: dead.media is not None)
        fresh = await media.open("fresh", "127.0.0.1", on_event=events.append)
        assert time.monotonic() - killed < RESTART_S
        assert owner(media, fresh.port) is dead  # the emptier one
        assert fresh.port not in old_ports  # where the callers of the dead one may still send
        peers["fresh"] = Peer()
        peers["fresh"].listen(fresh)
        await until(lambda: len(peers["fresh"].came) > 5)

        passed = time.monotonic() - killed
        due = 50 * passed - 5
        for name in living:  # packets went on all the while, at their pace
            await until(lambda n=name: len(peers[n].came) - before[n] >= due, seconds=0.5)
        for name in on_dead:
            assert peers[name].within(killed + 0.1, killed + passed) == 0
            assert await streams[name].close() == StreamReport()
            clip = wav.read(folders[name] / "stereo.wav")
            assert np.count_nonzero(clip.pcm[:, 1]) > 4_000
        for name in living:
            assert (await streams[name].close()).packets_sent > 75
        assert (dead.deaths, other.deaths) == (1, 0)
        for peer in peers.values():
            peer.close()


async def test_what_waits_for_a_dying_engine_is_settled() -> None:
    async with running(1) as media:
        [engine] = media.engines
        stream = await media.open("one", "127.0.0.1", on_event=lambda _: None)
        kill(engine, signal.SIGSTOP)
        opening = asyncio.create_task(media.open("two", "127.0.0.1", on_event=lambda _: None))
        closing = asyncio.create_task(stream.close())
        await asyncio.sleep(0)
        kill(engine)
        with pytest.raises(MediaError, match="died"):
            await asyncio.wait_for(opening, 2)
        assert await asyncio.wait_for(closing, 2) == StreamReport()
        with pytest.raises(MediaError, match="no media process runs"):
            await media.open("three", "127.0.0.1", on_event=lambda _: None)


async def test_an_open_goes_to_another_engine_when_its_own_dies() -> None:
    async with running(2) as media:
        first = media.engines[0]
        kill(first, signal.SIGSTOP)
        opening = asyncio.create_task(media.open("one", "127.0.0.1", on_event=lambda _: None))
        await until(lambda: first.held == 1)
        kill(first)
        stream = await asyncio.wait_for(opening, 2)
        assert owner(media, stream.port) is media.engines[1]


async def test_an_engine_that_hangs_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "HUNG_CHECKS", 3)
    events: list[plane.Event] = []
    async with running(1) as media:
        [engine] = media.engines
        await media.open("one", "127.0.0.1", on_event=events.append)
        kill(engine, signal.SIGSTOP)
        await until(lambda: engine.deaths and engine.media is not None)
        assert [type(event) for event in events] == [plane.StreamLost]


async def test_an_engine_tells_how_it_fares() -> None:
    async with running(1) as media:
        [engine] = media.engines
        stream = await media.open("one", "127.0.0.1", on_event=lambda _: None)
        await until(lambda: engine.load.streams == 1)
        assert engine.load.ticks > 10
        assert 0.0 < engine.load.busy < 0.5
        await stream.close()
        await until(lambda: engine.load.streams == 0)


# Without processes -----------------------------------------------------------------------------


class Staged:
    """Engines that answer every open at once; how they fare and when they die is staged."""

    def __init__(self, *, doomed: bool = False) -> None:
        self.doomed = doomed
        self.starts: list[float] = []

    async def __call__(
        self,
        *,
        ports: tuple[int, int],
        capacity: int,
        on_fault: Callable[[str], None],
        resting: list[int],
    ) -> MediaPlane:
        loop = asyncio.get_running_loop()
        self.starts.append(loop.time())
        if self.doomed:
            loop.call_soon(on_fault, "it died")
        return MediaPlane(_Willing(ports[0], loop))


class _Willing:
    def __init__(self, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop
        self.media: MediaPlane | None = None

    def send(self, commands: list[plane.Command]) -> None:
        for command in commands:
            if isinstance(command, plane.OpenStream):
                assert self.media
                opened = plane.Opened(command.stream, self._port, ("sha-256", b""))
                self._loop.call_soon(self.media.dispatch, opened)

    async def close(self) -> None:
        return


def test_an_engine_that_dies_again_and_again_is_started_ever_more_seldom() -> None:
    staged = Staged(doomed=True)

    async def main() -> int:
        media = MediaEngines(ports=PORTS, capacity=4, processes=1, spawn=staged)
        await media.start()
        await asyncio.sleep(100.0)
        assert media.full() == "no media process runs; one is being started"
        await media.close()
        return media.engines[0].deaths

    deaths = run_virtual(main())
    pauses = [after - before for before, after in pairwise(staged.starts)]
    assert pauses == pytest.approx([0, 0.5, 1, 2, 4, 8, 16, 30, 30])
    assert deaths == len(staged.starts)


def fares(media: MediaEngines, number: int, **told: float) -> None:
    engine = media.engines[number].media
    assert engine
    engine.dispatch(plane.EngineLoad(at=1.0, **told))  # type: ignore[arg-type]


async def staged_engines(processes: int) -> MediaEngines:
    staged = Staged()

    async def spawn(**arguments: object) -> MediaPlane:
        media = await staged(**arguments)  # type: ignore[arg-type]
        link = media._link
        assert isinstance(link, _Willing)
        link.media = media
        return media

    media = MediaEngines(ports=PORTS, capacity=8, processes=processes, spawn=spawn)
    await media.start()
    return media


async def homes(media: MediaEngines, count: int) -> list[int]:
    ports = [engine.ports[0] for engine in media.engines]
    opened = [
        await media.open(f"{time.monotonic()}", "127.0.0.1", on_event=lambda _: None)
        for _ in range(count)
    ]
    return [ports.index(stream.port) for stream in opened]


async def test_streams_go_to_the_least_loaded_engine() -> None:
    media = await staged_engines(2)
    assert await homes(media, 4) == [0, 1, 0, 1]
    fares(media, 0, busy=0.4, streams=2)
    fares(media, 1, busy=0.1, streams=2)
    assert await homes(media, 2) == [1, 1]
    assert await homes(media, 2) == [0, 0]  # the other one has all that it may have
    with pytest.raises(MediaError, match="all 8 media streams are in use"):
        await homes(media, 1)
    await media.close()


async def test_engines_at_their_limit_take_no_more_streams() -> None:
    media = await staged_engines(2)
    fares(media, 0, busy=0.85)
    assert await homes(media, 1) == [1]
    fares(media, 1, busy=0.3, late=0.2)
    with pytest.raises(MediaError, match="30% busy, and 20% of its ticks are late"):
        await homes(media, 1)
    fares(media, 1, busy=0.3, streams=1)
    assert media.full() is None
    await media.close()


@pytest.mark.parametrize("processes", range(1, 9))
@pytest.mark.parametrize("capacity", [1, 4, 7, 100])
@pytest.mark.parametrize("spare", [0, 1, 5])
def test_ports_and_streams_are_divided(processes: int, capacity: int, spare: int) -> None:
    ports = (20_000, 20_000 + 2 * (capacity + spare) - 1)
    found = shared(ports, capacity, processes)
    assert len(found) == min(processes, capacity)
    assert sum(share.capacity for share in found) == capacity
    assert (found[0].ports[0], found[-1].ports[1]) == ports
    for one, after in pairwise(found):
        assert one.ports[1] + 1 == after.ports[0]
    for share in found:
        first, last = share.ports
        assert first % 2 == 0
        assert last - first + 1 >= 2 * share.capacity >= 2


async def test_a_stream_beside_another_is_on_its_engine_or_nowhere() -> None:
    media = await staged_engines(2)
    first = await media.open("first", "127.0.0.1", on_event=lambda _: None)
    fares(media, 0, busy=0.5, streams=1)
    beside = await media.open("a", "127.0.0.1", on_event=lambda _: None, beside=first)
    assert (first.port, beside.port) == (PORTS[0], PORTS[0])  # of the busier engine
    fares(media, 0, busy=0.85, streams=2)
    with pytest.raises(MediaError, match="the other stream"):
        await media.open("b", "127.0.0.1", on_event=lambda _: None, beside=first)
    await media.close()
