"""One event for what all callers said in a tick: gathered, sent between the planes, taken apart."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

import numpy as np
import pytest

from aywa.codecs import tones
from aywa.media import plane
from aywa.media.engine import Output
from aywa.media.io import wire
from aywa.media.io.client import MediaPlane
from aywa.media.io.process import ControlLink
from aywa.media.quality import StreamReport

from .conftest import Bench, Caller, noise


class Batches(Bench):
    """A bench that keeps the events as the engine told them."""

    def _keep(self, output: Output) -> list[plane.Event]:
        self.told = list(output.events)
        return super()._keep(output)

    @property
    def batch(self) -> plane.HeardBatch:
        [batch] = [event for event in self.told if isinstance(event, plane.HeardBatch)]
        return batch


@pytest.fixture
def batches() -> Batches:
    return Batches()


def sent(caller: Caller, *sounds: np.ndarray) -> list[tuple[Caller, bytes]]:
    return [(caller, caller.audio(sound)) for sound in sounds]


def test_all_streams_of_a_tick_are_one_event(batches: Batches) -> None:
    one, two, three = (batches.open(name) for name in "abc")
    sounds = [noise(160, seed) for seed in range(6)]
    batches.tick(*sent(one, sounds[0]), *sent(two, sounds[1]), *sent(three, sounds[2]))
    assert batches.batch.streams == ("a", "b", "c")
    batches.tick(*sent(three, sounds[3], sounds[4]), *sent(one, sounds[5]))
    batch = batches.batch
    assert batch.streams == ("a", "c")
    assert batch.frames.tolist() == [1, 2]
    assert batch.sample.tolist() == [160, 160]
    assert np.array_equal(batch.pcm, [sounds[5], sounds[3], sounds[4]])
    assert batch.real.tolist() == [True, True, True]


def test_each_stream_gets_what_it_heard(batches: Batches) -> None:
    one, two = batches.open("a"), batches.open("b")
    sounds = [noise(160, seed) for seed in range(4)]
    batches.tick(*sent(one, sounds[0]), *sent(two, sounds[1]), delay=0.015)
    batches.tick(*sent(two, sounds[2], sounds[3]), delay=0.005)
    [heard] = batches.batch.each()
    assert (heard.stream, heard.sample, heard.real) == ("b", 160, (True, True))
    assert heard.speech == (False, False)
    assert heard.at == pytest.approx(100.04)
    assert heard.arrived == pytest.approx(100.035)
    assert np.array_equal(heard.pcm, sounds[2:])


def test_who_keeps_the_sound_of_one_stream_does_not_keep_that_of_all(batches: Batches) -> None:
    one, two = batches.open("a"), batches.open("b")
    batches.tick(*sent(one, noise(160)), *sent(two, noise(160)))
    batch = batches.batch
    assert not any(np.shares_memory(heard.pcm, batch.pcm) for heard in batch.each())


def test_a_digit_follows_the_sound_that_it_ended_in(batches: Batches) -> None:
    caller = batches.open("a", event_payload_type=None)
    pressed = np.concatenate([tones.dtmf("5", 0.1), np.zeros(1_600 - 800, np.int16)])
    for frame in pressed.reshape(-1, 160):
        batches.tick(*sent(caller, frame))
        kinds = [type(event) for event in batches.told]
        if plane.Digit in kinds:
            break
    assert kinds == [plane.HeardBatch, plane.Digit]


def test_a_row_used_again_speaks_for_its_new_stream(batches: Batches) -> None:
    one, two = batches.open("a"), batches.open("b")
    batches.tick(*sent(one, noise(160)), *sent(two, noise(160)))
    row = batches.engine.table.streams["a"]
    batches.close("a")
    new = batches.open("c")
    assert batches.engine.table.streams["c"] == row
    batches.tick(*sent(new, noise(160, 9)), *sent(two, noise(160)))
    batch = batches.batch
    assert dict(zip(batch.streams, batch.sample.tolist(), strict=True)) == {"c": 0, "b": 160}


def test_silence_of_all_is_no_event(batches: Batches) -> None:
    batches.open("a")
    batches.tick()
    assert batches.told == []


def batch_of(*streams: str) -> plane.HeardBatch:
    count = len(streams)
    frames = np.arange(count) + 1
    total = int(frames.sum())
    return plane.HeardBatch(
        streams,
        at=5.0,
        arrived=5.0 - np.arange(count) / 1000,
        sample=np.arange(count) * 160,
        frames=frames,
        pcm=np.arange(total * 160, dtype=np.int16).reshape(total, 160),
        speech=np.arange(total) % 2 == 0,
        real=np.arange(total) % 3 > 0,
    )


@pytest.mark.parametrize("piece", [1, 1_000, 1 << 20])
def test_a_batch_crosses_the_wire_whole_and_in_order(piece: int) -> None:
    batch, after = batch_of("a", "b", "ü\n"), plane.Digit("b", 5.0, "7", 0.1)
    data = wire.pack([batch, after, batch_of("z")])
    unpacker = wire.Unpacker()
    told = [
        event
        for begin in range(0, len(data), piece)
        for event in unpacker.feed(data[begin : begin + piece])
    ]
    assert [type(event) for event in told] == [plane.HeardBatch, plane.Digit, plane.HeardBatch]
    assert told[0].streams == batch.streams
    assert told[1] == after
    for name in ("arrived", "sample", "frames", "pcm", "speech", "real"):
        came, left = getattr(told[0], name), getattr(batch, name)
        assert (came.dtype, came.shape) == (left.dtype, left.shape)
        assert np.array_equal(came, left)


class Nowhere:
    """A link whose engine is this test."""

    def send(self, commands: list[plane.Command]) -> None:
        pass

    async def close(self) -> None:
        pass


async def listen(media: MediaPlane, stream: str, on_event: Callable[[plane.Event], None]) -> None:
    opening = asyncio.ensure_future(media.open(stream, "127.0.0.1", on_event=on_event))
    await asyncio.sleep(0)
    media.dispatch(plane.Opened(stream, 20_000, ("sha-256", b"")))
    await opening


async def test_listeners_are_told_of_their_own_stream() -> None:
    media, told = MediaPlane(Nowhere()), dict[str, list[plane.Event]](a=[], b=[])
    for stream, events in told.items():
        await listen(media, stream, events.append)
    batch = batch_of("a", "b", "unknown")
    media.dispatch(batch)
    for (stream, events), expected in zip(told.items(), batch.each(), strict=False):
        [heard] = events
        assert isinstance(heard, plane.Heard)
        assert (heard.stream, heard.arrived, heard.sample) == (
            stream,
            expected.arrived,
            expected.sample,
        )
        assert (heard.speech, heard.real) == (expected.speech, expected.real)
        assert np.array_equal(heard.pcm, expected.pcm)


async def test_a_listener_that_fails_does_not_deafen_the_streams_behind_it() -> None:
    media, told = MediaPlane(Nowhere()), list[plane.Event]()

    def fail(_: plane.Event) -> None:
        raise RuntimeError("a listener's bug")

    await listen(media, "a", fail)
    await listen(media, "b", told.append)
    media.dispatch(batch_of("a", "b"))
    assert [event.stream for event in told] == ["b"]


async def test_a_stream_that_closed_is_not_told_of_what_was_under_way() -> None:
    media, told = MediaPlane(Nowhere()), list[plane.Event]()
    await listen(media, "a", lambda _: None)
    await listen(media, "b", told.append)
    closing = asyncio.ensure_future(media.close_stream("b"))
    await asyncio.sleep(0)
    media.dispatch(batch_of("a", "b"))
    assert [event.stream for event in told] == ["b"]  # it hears until it is closed
    media.dispatch(plane.Closed("b", StreamReport()))
    await closing
    media.dispatch(batch_of("a", "b"))
    assert len(told) == 1


def test_what_did_not_fit_the_socket_follows_before_the_next_tick() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        link = ControlLink(ours)
        batch = batch_of(*(f"stream {number}" for number in range(100)))
        size, came = len(wire.pack([batch])), 0
        begun = time.monotonic()
        assert link.tell([batch])
        while came < size:
            with contextlib.suppress(BlockingIOError):
                while True:
                    came += len(theirs.recv(1 << 20))
            if came < size:
                assert link.commands(10.0) == []
                assert link.tell([])
        assert time.monotonic() - begun < 10.0
