"""Long replies: the engine holds half a second of them, the control process the rest."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media import plane
from aywa.media.feed import PlayoutFeed
from aywa.media.io.client import MediaPlane
from aywa.media.playout import AHEAD, FADE, KEPT, ROOM_TICKS, STALL_TICKS

from .conftest import Bench, noise

SIZES = st.sampled_from((1, 160, 160, 400))


class Ring:
    """What the engine's ring would hold."""

    def __init__(self) -> None:
        self.got: list[np.ndarray] = []
        self.ended = False

    def take(self, commands: list[plane.Command]) -> None:
        for command in commands:
            match command:
                case plane.Play():
                    self.got.append(command.pcm)
                case plane.EndPlay():
                    self.ended = True

    @property
    def samples(self) -> int:
        return sum(map(len, self.got))


def test_a_long_reply_follows_as_the_ring_drains() -> None:
    feed, ring = PlayoutFeed("a"), Ring()
    sound = noise(8_000 * 30)
    ring.take(feed.play(1, sound))
    ring.take(feed.end(1))
    played = 0
    while not ring.ended:
        assert ring.samples - played <= AHEAD
        assert ring.samples > played
        played += 1_600
        ring.take(feed.played(1, played))
    assert np.array_equal(np.concatenate(ring.got), sound)


def test_a_dropped_reply_is_forgotten() -> None:
    feed, ring = PlayoutFeed("a"), Ring()
    ring.take(feed.play(1, noise(8_000 * 20)))
    feed.drop(1)
    before = ring.samples
    ring.take(feed.played(1, AHEAD))
    ring.take(feed.play(1, noise(100)))
    assert ring.samples == before
    ring.take(feed.play(2, noise(100)))
    assert ring.samples == before + 100


def test_what_is_sent_is_never_more_than_there_is_room_for() -> None:
    feed, ring = PlayoutFeed("a"), Ring()
    for number in range(100):
        ring.take(feed.play(1, noise(700, number)))
    assert ring.samples == AHEAD
    ring.take(feed.played(1, 160))
    assert ring.samples == AHEAD + 160
    ring.take(feed.played(1, 160))
    assert ring.samples == AHEAD + 160


@pytest.mark.parametrize("begin", range(ROOM_TICKS))
def test_a_control_process_that_stalls_makes_no_gap(bench: Bench, begin: int) -> None:
    """0.3 s, whenever it begins."""
    bench.open()
    sound = noise(160 * 100)
    bench.play(sound, end=True)
    bench.ticks(20 + begin)
    bench.stalled = True
    bench.ticks(STALL_TICKS - 1)
    bench.stalled = False
    bench.ticks(80)
    assert STALL_TICKS * 0.02 > 0.3
    assert np.array_equal(bench.spoken()[: len(sound)], sound)
    assert len(bench.of(plane.Played)) == 1


def test_after_a_stall_too_long_the_reply_goes_on_where_it_was(bench: Bench) -> None:
    bench.open()
    sound = noise(160 * 100)
    bench.play(sound, end=True)
    bench.ticks(20)
    bench.stalled = True
    bench.ticks(50)
    bench.stalled = False
    bench.ticks(100)
    spoken = bench.spoken().reshape(-1, 160)
    silent = ~spoken.any(axis=1)
    assert 20 < np.flatnonzero(silent)[0] < 50
    assert np.array_equal(spoken[~silent].ravel(), sound)


@pytest.mark.parametrize("back", [160, KEPT, 3 * KEPT])
def test_in_a_long_reply_a_resume_goes_back_by_a_word(bench: Bench, back: int) -> None:
    bench.open()
    sound = noise(160 * 200)
    bench.play(sound, end=True)
    bench.ticks(133)
    bench.command(plane.Pause("a", 1))
    bench.command(plane.Resume("a", 1, back))
    bench.ticks(120)
    again = 133 * 160 - min(back, KEPT)
    spoken = bench.spoken(since=133)
    assert np.array_equal(spoken[FADE : len(sound) - again], sound[again + FADE :])
    assert KEPT / 8_000 >= 0.45


def taken_apart(batch: plane.PlayBatch) -> list[plane.Play]:
    pieces = np.split(batch.pcm, np.cumsum(batch.samples)[:-1])
    return [plane.Play(*one) for one in zip(batch.streams, batch.generation, pieces, strict=True)]


class Wire:
    """A link that keeps what goes over it."""

    def __init__(self) -> None:
        self.messages: list[list[plane.Command]] = []

    def send(self, commands: Sequence[plane.Asked]) -> None:
        told: list[plane.Command] = []
        for command in commands:
            told += taken_apart(command) if isinstance(command, plane.PlayBatch) else [command]
        self.messages.append(told)

    async def close(self) -> None:
        pass


async def test_streams_that_are_told_of_room_together_answer_in_one_message() -> None:
    wire = Wire()
    media = MediaPlane(wire)
    sound = noise(AHEAD + 800)
    for name in "ab":
        opening = asyncio.ensure_future(media.open(name, "127.0.0.1", on_event=lambda _: None))
        await asyncio.sleep(0)
        media.dispatch(plane.Opened(name, 20_000, ("sha-256", b"")))
        (await opening).play(1, sound)
    wire.messages.clear()
    for name in "ab":
        media.dispatch(plane.Room(name, 1, 480))
    media.answer()
    media.answer()
    [[one, other]] = wire.messages
    assert isinstance(one, plane.Play)
    assert isinstance(other, plane.Play)
    assert (one.stream, other.stream) == ("a", "b")
    assert np.array_equal(one.pcm, sound[AHEAD : AHEAD + 480])


async def test_an_answer_is_never_overtaken_by_more_of_the_reply() -> None:
    wire = Wire()
    media = MediaPlane(wire)
    opening = asyncio.ensure_future(media.open("a", "127.0.0.1", on_event=lambda _: None))
    await asyncio.sleep(0)
    media.dispatch(plane.Opened("a", 20_000, ("sha-256", b"")))
    stream, sound = await opening, noise(AHEAD + 800)
    stream.play(1, sound[: AHEAD + 160])
    media.dispatch(plane.Room("a", 1, 800))
    stream.play(1, sound[AHEAD + 160 :])
    media.answer()
    plays = [one for message in wire.messages for one in message if isinstance(one, plane.Play)]
    assert np.array_equal(np.concatenate([play.pcm for play in plays]), sound)


async def test_a_second_piece_of_a_stream_follows_the_first() -> None:
    wire = Wire()
    media = MediaPlane(wire)
    opening = asyncio.ensure_future(media.open("a", "127.0.0.1", on_event=lambda _: None))
    await asyncio.sleep(0)
    media.dispatch(plane.Opened("a", 20_000, ("sha-256", b"")))
    sound = noise(AHEAD + 960)
    (await opening).play(1, sound)
    for played in (480, 960):
        media.dispatch(plane.Room("a", 1, played))
    media.answer()
    plays = [one for message in wire.messages for one in message if isinstance(one, plane.Play)]
    assert np.array_equal(np.concatenate([play.pcm for play in plays]), sound)


@given(st.lists(st.dictionaries(st.sampled_from("abcx"), st.tuples(st.integers(1, 3), SIZES))))
def test_many_streams_are_fed_at_once_as_one_by_one(
    batches: list[dict[str, tuple[int, int]]],
) -> None:
    together, alone = Bench(), Bench()
    for bench in (together, alone):
        for name in "abc":
            bench.open(name)
    for seed, batch in enumerate(batches):
        pieces = [plane.Play(name, turn, noise(n, seed)) for name, (turn, n) in batch.items()]
        if pieces:
            together.engine.play(plane.PlayBatch.of(pieces))
        for piece in pieces:
            alone.command(piece)
    for bench in (together, alone):
        bench.ticks(8)
    assert together.sent == alone.sent
