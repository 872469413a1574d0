"""What the owner of a stream is told, and may turn off: marks, taps, pauses in a recording."""

import numpy as np

from aywa.media import plane
from aywa.media.feed import PlayoutFeed
from aywa.media.marks import MOST

from .conftest import Bench, noise


def marks(bench: Bench) -> list[str]:
    return [event.name for event in bench.of(plane.MarkReached) if hasattr(event, "name")]


def test_a_mark_is_told_when_what_was_before_it_has_left(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(160 * 10)))
    bench.command(plane.Mark("a", 1, 160 * 3, "three"))
    bench.command(plane.Mark("a", 1, 160 * 3 + 1, "four"))
    bench.command(plane.Mark("a", 1, 160 * 20, "never"))
    bench.ticks(2)
    assert marks(bench) == []
    bench.ticks(1)
    assert marks(bench) == ["three"]
    bench.ticks(20)
    assert marks(bench) == ["three", "four"]


def test_marks_of_what_was_flushed_are_not_told(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(160 * 10)))
    bench.command(plane.Mark("a", 1, 160 * 5, "old"))
    bench.command(plane.Flush("a", 1))
    bench.command(plane.Play("a", 2, noise(160 * 10)))
    bench.command(plane.Mark("a", 2, 160 * 5, "new"))
    bench.ticks(20)
    assert marks(bench) == ["new"]


def test_marks_are_bounded(bench: Bench) -> None:
    bench.open()
    bench.command(plane.Play("a", 1, noise(160)))
    for number in range(MOST + 10):
        bench.command(plane.Mark("a", 1, 160, str(number)))
    bench.ticks(2)
    assert marks(bench) == [str(number) for number in range(10, MOST + 10)]


def test_the_feed_marks_the_end_of_all_that_it_was_given() -> None:
    feed = PlayoutFeed("a")
    feed.play(1, np.zeros(100_000, np.int16))  # most of it waits
    assert feed.mark(1, "end") == [plane.Mark("a", 1, 100_000, "end")]
    assert feed.mark(2, "of nothing") == []


def test_a_stream_that_is_not_tapped_is_not_told_and_is_recorded(bench: Bench) -> None:
    caller, other = bench.open(files=True), bench.open("b")
    bench.command(plane.Tap("a", on=False))
    sound = noise(160)
    for _ in range(20):
        bench.tick((caller, caller.audio(sound)), (other, other.audio(sound)))
    assert len(bench.heard("a")) == 0
    assert len(bench.heard("b")) == 160 * 20
    bench.command(plane.Tap("a", on=True))
    for _ in range(5):
        bench.tick((caller, caller.audio(sound)))
    [first, *_] = [
        e for e in bench.of(plane.Heard) if isinstance(e, plane.Heard) and e.stream == "a"
    ]
    assert first.sample == 160 * 20  # the clock of what is heard went on
    bench.close("a")
    left = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)[:, 0]
    assert np.abs(left).max() > 1_000


def test_a_pause_in_the_recording_is_silence_of_the_same_length(bench: Bench) -> None:
    caller = bench.open(files=True)
    sound = noise(160)

    def talk(ticks: int) -> None:
        for _ in range(ticks):
            bench.command(plane.Play("a", 1, sound))
            bench.tick((caller, caller.audio(sound)))

    talk(50)
    bench.command(plane.Record("a", on=False))
    talk(50)
    bench.command(plane.Record("a", on=True))
    talk(50)
    bench.close("a")
    stereo = np.frombuffer(bench.files["a", "recording"], "<i2").reshape(-1, 2)
    assert len(stereo) >= 148 * 160
    for channel in stereo.T:
        assert np.abs(channel[10 * 160 : 48 * 160]).max() > 1_000
        assert np.abs(channel[53 * 160 : 97 * 160]).max() == 0
        assert np.abs(channel[103 * 160 : 140 * 160]).max() > 1_000


def test_a_stream_can_be_measured_while_it_lives(bench: Bench) -> None:
    caller = bench.open()
    for _ in range(20):
        bench.tick((caller, caller.audio(noise(160))))
    [measured] = bench.command(plane.Measure("a"))
    assert isinstance(measured, plane.Measured)
    assert measured.report.packets_received == 20
    assert measured.report.drift_ppm is None
