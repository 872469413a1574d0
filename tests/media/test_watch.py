"""What the engine warns of: strangers that knock at a stream, and peers that fall silent."""

import pytest

from aywa.media import plane

from .conftest import PEER, Bench, Caller, noise


def stranger(number: int, stream: str = "a") -> Caller:
    return Caller(stream, (f"198.51.100.{number}", 6_000), ssrc=number)


def test_each_stranger_is_told_once_and_never_heard(bench: Bench) -> None:
    caller, other = bench.open(), stranger(66)
    bench.tick((caller, caller.audio(noise(160))))
    for _ in range(5):
        bench.tick((other, other.audio(noise(160, 9))), (caller, caller.audio(noise(160))))
    assert bench.of(plane.StrangerHeard) == [
        plane.StrangerHeard("a", pytest.approx(100.04), other.address)  # type: ignore[arg-type]
    ]
    assert bench.close().report.strangers == 5


def test_a_stream_tells_of_eight_strangers_at_most(bench: Bench) -> None:
    caller = bench.open()
    bench.tick((caller, caller.audio(noise(160))))
    crowd = [stranger(number) for number in range(1, 20)]
    bench.tick(*((one, one.audio(noise(160))) for one in crowd))
    bench.tick(*((one, one.audio(noise(160))) for one in crowd))
    told = [event.address for event in bench.of(plane.StrangerHeard)]  # type: ignore[attr-defined]
    assert told == [one.address for one in crowd[:8]]
    caller = bench.open("b")
    bench.tick((caller, caller.audio(noise(160))))
    bench.tick((stranger(1, "b"), stranger(1, "b").audio(noise(160))))
    assert len(bench.of(plane.StrangerHeard)) == 9


def test_only_sound_of_a_stranger_to_a_locked_stream_is_told(bench: Bench) -> None:
    caller, other = bench.open(), stranger(66)
    bench.tick((other, other.audio(noise(160))))
    bench.tick((caller, caller.audio(noise(160))))
    bench.tick((other, b"\x80junk"), (other, other.packet(b"x" * 160, payload_type=77)))
    assert bench.of(plane.StrangerHeard) == []


def test_where_the_peer_was_before_is_no_stranger(bench: Bench) -> None:
    caller = bench.open()
    bench.tick((caller, caller.audio(noise(160))))
    bench.configure("a", remote_host="203.0.113.9")
    moved = Caller("a", ("203.0.113.9", PEER[1]), ssrc=8)
    bench.tick((moved, moved.audio(noise(160))))
    bench.tick((caller, caller.audio(noise(160))))
    assert bench.of(plane.StrangerHeard) == []
    assert bench.close().report.strangers == 1


def opened(bench: Bench, stream: str, **times: float) -> Caller:
    command = plane.OpenStream(stream, "192.0.2.1", **times)  # type: ignore[arg-type]
    bench.engine.open(command, 20_000, bench.now)
    bench.configure(stream)
    return Caller(stream)


def silences(bench: Bench) -> list[tuple[str, float, bool]]:
    return [
        (event.stream, round(event.seconds, 1), event.final)
        for event in bench.events
        if isinstance(event, plane.MediaSilent)
    ]


def test_each_stream_has_its_own_patience(bench: Bench) -> None:
    opened(bench, "short", media_timeout_s=1.0)
    opened(bench, "long", media_timeout_s=4.0, end_after_s=5.0)
    bench.ticks(400)
    assert silences(bench) == [("short", 1.0, False), ("long", 4.0, False), ("long", 5.0, True)]


def test_a_silence_after_sound_is_told_anew(bench: Bench) -> None:
    caller = opened(bench, "a", media_timeout_s=1.0, end_after_s=2.0)
    for _ in range(2):
        bench.tick((caller, caller.audio(noise(160))))
        bench.ticks(75)
    bench.ticks(50)
    assert silences(bench) == [("a", 1.0, False), ("a", 1.0, False), ("a", 2.0, True)]


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "inactive"])
def test_on_hold_nothing_is_missed_and_the_wait_begins_anew(bench: Bench, direction: str) -> None:
    opened(bench, "a", media_timeout_s=1.0, end_after_s=2.0)
    bench.ticks(45)
    bench.configure("a", direction=direction)
    bench.ticks(300)
    bench.configure("a")
    bench.ticks(45)
    assert silences(bench) == []
    bench.ticks(10)
    assert silences(bench) == [("a", 1.0, False)]


def test_the_end_may_come_before_the_warning(bench: Bench) -> None:
    opened(bench, "a", media_timeout_s=3.0, end_after_s=1.0)
    bench.ticks(200)
    assert silences(bench) == [("a", 1.0, True), ("a", 3.0, True)]
