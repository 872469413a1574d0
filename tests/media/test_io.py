"""The media process on real sockets: two streams talk to each other, faults are told."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from aywa.codecs import wav
from aywa.media import MediaError, plane
from aywa.media.engine import Block
from aywa.media.io import wire, writer
from aywa.media.io.client import MediaPlane
from aywa.media.io.ports import QUARANTINE_S, PortPairs
from aywa.media.io.spawn import spawn_media_process
from aywa.media.io.stream import MediaStream
from aywa.media.quality import StreamReport
from aywa.media.sdp import Negotiated

from .conftest import noise

PORTS = (31_000, 31_019)


class Faults:
    """What the media plane said when it died."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.fixture(params=["auto", "plain"])
async def media(faults: Faults, request: pytest.FixtureRequest) -> AsyncIterator[MediaPlane]:
    plane_ = await spawn_media_process(
        ports=PORTS, capacity=4, on_fault=faults.told.put_nowait, sockets=request.param
    )
    yield plane_
    await plane_.close()


def talk(one: MediaStream, other: MediaStream) -> None:
    for here, there in ((one, other), (other, one)):
        agreed = Negotiated("127.0.0.1", there.port, there.port + 1, "pcmu", 0, 101, "sendrecv")
        here.configure(agreed)


async def test_two_streams_hear_each_other_and_leave_files(
    media: MediaPlane, tmp_path: Path
) -> None:
    events: asyncio.Queue[plane.Event] = asyncio.Queue()
    one = await media.open(
        "one", "127.0.0.1", on_event=lambda _: None, folder=str(tmp_path), record=True, capture=True
    )
    other = await media.open("other", "127.0.0.1", on_event=events.put_nowait)
    assert one.port % 2 == other.port % 2 == 0
    talk(one, other)
    sound = noise(8_000 * 12)  # more than the engine's ring holds
    one.play(1, sound[:8_000])
    one.end_play(1)
    heard: list[np.ndarray] = []
    while sum(map(len, heard)) < 12_000:
        event = await asyncio.wait_for(events.get(), 5)
        if isinstance(event, plane.Heard):
            heard += [f for f, real in zip(event.pcm, event.real, strict=True) if real]
    pcm = np.concatenate(heard)
    start = int(np.flatnonzero(pcm)[0])
    assert np.array_equal(pcm[start : start + 8_000 - start % 160], sound[: 8_000 - start % 160])
    report = await one.close()
    assert report.packets_sent > 50
    clip = wav.read(tmp_path / "stereo.wav")
    assert clip.pcm.shape[1] == 2
    assert np.array_equal(np.trim_zeros(clip.pcm[:, 1])[:4_000], np.trim_zeros(sound)[:4_000])
    assert (tmp_path / "call.pcap").stat().st_size > 100 * 200
    await other.close()


async def test_no_port_and_no_room_are_said_in_a_sentence(media: MediaPlane) -> None:
    for number in range(4):
        await media.open(f"s{number}", "127.0.0.1", on_event=lambda _: None)
    with pytest.raises(MediaError, match="all 4 streams"):
        await media.open("s4", "127.0.0.1", on_event=lambda _: None)
    with pytest.raises(MediaError, match=r"RTP cannot be received on 192\.0\.2\.77"):
        await media.open("s5", "192.0.2.77", on_event=lambda _: None)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_full_disk_ends_the_recording_and_not_the_call(
    media: MediaPlane, small_disk: Path
) -> None:
    events: asyncio.Queue[plane.Event] = asyncio.Queue()
    one = await media.open(
        "one", "127.0.0.1", on_event=events.put_nowait, folder=str(small_disk), record=True
    )
    other = await media.open("other", "127.0.0.1", on_event=lambda _: None)
    talk(one, other)
    while True:
        event = await asyncio.wait_for(events.get(), 10)
        if isinstance(event, plane.ArtifactFailed):
            break
    assert event.artifact == "recording"
    assert "No space left" in event.reason
    while not isinstance(await asyncio.wait_for(events.get(), 1), plane.Heard):
        pass
    await one.close()
    assert len(wav.read(small_disk / "stereo.wav").pcm) > 8_000


async def test_the_death_of_the_process_is_told(media: MediaPlane, faults: Faults) -> None:
    stream = await media.open("one", "127.0.0.1", on_event=lambda _: None)
    assert media.pid
    os.kill(media.pid, signal.SIGKILL)
    assert "died" in await asyncio.wait_for(faults.told.get(), 5)
    assert await stream.close() == StreamReport()
    with pytest.raises(MediaError, match="died"):
        await media.open("two", "127.0.0.1", on_event=lambda _: None)


def threads(process: int) -> int:
    return len(list(Path(f"/proc/{process}/task").iterdir()))


async def test_the_tick_shares_its_work_with_no_thread(media: MediaPlane) -> None:
    assert media.pid
    assert threads(media.pid) == 2, "the clock's and the one that writes files"


async def test_the_process_ends_with_its_control_plane() -> None:
    media = await spawn_media_process(ports=PORTS, capacity=1, on_fault=lambda _: None)
    child = media.pid
    assert child
    os.kill(child, 0)
    await media.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_ports_rest_before_they_are_used_again() -> None:
    ports = PortPairs(20_000, 20_003)
    assert [ports.take(0.0), ports.take(0.0), ports.take(0.0)] == [20_000, 20_002, None]
    ports.give_back(20_000, 10.0)
    assert ports.take(10.0 + QUARANTINE_S - 0.1) is None
    assert ports.take(10.0 + QUARANTINE_S) == 20_000


def test_values_cross_the_wire_in_any_pieces() -> None:
    values = [
        plane.Play("a", 3, np.arange(5, dtype=np.int16)),
        plane.CaptureSip("a", 1.5, ("h", 1), ("i", 2), "udp", b"\x00\xff"),
        plane.Heard("b", 1.0, 0.9, 160, np.ones((2, 160), np.int16), (True, False), (True, True)),
        plane.Closed("b", StreamReport(packets_sent=4, round_trip_ms=None)),
    ]
    data = wire.pack(values)  # type: ignore[arg-type]
    unpacker = wire.Unpacker()
    got = [value for byte in data for value in unpacker.feed(bytes([byte]))]
    assert [type(value) for value in got] == [type(value) for value in values]
    assert got[1] == values[1]
    assert got[3] == values[3]
    assert np.array_equal(got[0].pcm, values[0].pcm)  # type: ignore[union-attr]
    assert (got[2].speech, got[2].pcm.shape) == ((True, False), (2, 160))


async def test_a_stop_of_the_whole_service_leaves_the_process_to_its_control_plane(
    media: MediaPlane,
) -> None:
    """A service manager signals every process; the calls that drain still need their sound."""
    events: asyncio.Queue[plane.Event] = asyncio.Queue()
    one = await media.open("one", "127.0.0.1", on_event=events.put_nowait)
    other = await media.open("other", "127.0.0.1", on_event=lambda _: None)
    assert media.pid
    os.kill(media.pid, signal.SIGTERM)
    talk(one, other)
    while not isinstance(await asyncio.wait_for(events.get(), 5), plane.Heard):
        pass
    assert (await one.close()).packets_sent > 0
    await other.close()


def test_a_disk_that_is_too_slow_ends_one_file_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUED_OCTETS", 1_000)
    files = writer.ArtifactWriter()
    files.open("a", "recording", str(tmp_path))
    for _ in range(3):
        files.append([Block("a", "recording", bytes(4_000)), Block("a", "pcap", b"")])
    files.finish("a")
    files.close()
    assert [type(report).__name__ for report in files.reports] == ["ArtifactFailed", "FilesClosed"]
    assert len(wav.read(tmp_path / "stereo.wav").pcm) == 0
