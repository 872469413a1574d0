"""Tones of call progress and of fax machines in what the peer sends."""

from collections.abc import Iterable

import numpy as np
import pytest

from aywa.codecs import g711
from aywa.codecs.pcm import clipped
from aywa.media import plane
from aywa.media.io.client import MediaPlane
from aywa.media.io.stream import MediaStream
from aywa.media.progress_tones import ProgressTones
from bench.concealment import clips, voices

from .conftest import Bench, Caller, noise
from .progress_signals import NAMES, Line, Sound, signal

FRAME = 160


class Sink:
    """A link that keeps commands."""

    def __init__(self) -> None:
        self.commands: list[plane.Command] = []

    def send(self, commands: list[plane.Command]) -> None:
        self.commands += commands

    async def close(self) -> None:
        return


def frames(sound: Sound) -> list[np.ndarray]:
    whole = np.zeros(-(-len(sound) // FRAME) * FRAME)
    whole[: len(sound)] = sound
    return list(clipped(whole).reshape(-1, FRAME))


def listen(bench: Bench, stream: str = "a", *, on: bool = True) -> None:
    bench.command(plane.ListenForTones(stream, on))


def send(bench: Bench, caller: Caller, sound: Sound, lost: Iterable[int] = ()) -> None:
    """Every frame of the sound but the lost ones, 20 ms apart."""
    missing = set(lost)
    for number, frame in enumerate(frames(sound)):
        packet = caller.audio(frame)
        bench.tick(*([] if number in missing else [(caller, packet)]))


def told(bench: Bench, stream: str = "a") -> list[str]:
    events: list[plane.ProgressTone] = bench.of(plane.ProgressTone)  # type: ignore[assignment]
    return [event.kind for event in events if event.stream == stream]


def recognised(sounds: list[Sound], law: g711.Law) -> list[list[str]]:
    """What is told of each sound, all heard at once."""
    many = max(len(frames(sound)) for sound in sounds)
    pcm = np.zeros((len(sounds), many, FRAME), np.int16)
    for row, sound in enumerate(sounds):
        pcm[row, : len(frames(sound))] = frames(sound)
    pcm = g711.decode(g711.encode(pcm, law), law)
    tones, rows = ProgressTones(), np.arange(len(sounds))
    tones.allocate(len(sounds))
    for row in rows.tolist():
        tones.switch(row, on=True)
    kinds: list[list[str]] = [[] for _ in sounds]
    for number in range(many):
        for one in tones.listen(rows, pcm[:, number], np.zeros(len(rows), np.bool_)):
            kinds[one.row].append(one.kind)
    return kinds


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
@pytest.mark.parametrize("name", NAMES)
def test_every_pattern_is_told_once_on_any_line(name: str, law: g711.Law) -> None:
    lines = [
        Line(dbfs=dbfs, off=off, snr_db=snr_db)
        for dbfs in (-10, -20, -30)
        for off in (-0.015, 0, 0.015)
        for snr_db in (60, 20)
    ]
    kind = name.split()[0]
    assert recognised([signal(name, line) for line in lines], law) == [[kind]] * len(lines)


@pytest.mark.parametrize("ratio", [0.86, 1.14])
def test_cadences_may_be_a_seventh_too_fast_or_too_slow(ratio: float) -> None:
    line = Line()
    sounds = [
        line.cadence((425,), ratio, 4 * ratio, repeat=2),
        line.cadence((480, 620), *[0.5 * ratio] * 2, repeat=4),
        line.cadence((425,), *[0.25 * ratio] * 2, repeat=6),
        line.cadence((1100,), 0.5 * ratio, 3 * ratio, repeat=2),
    ]
    kinds = [["ringback"], ["busy"], ["congestion"], ["fax-calling"]]
    assert recognised(sounds, "pcmu") == kinds


def test_special_information_tones_of_north_america_and_with_gaps() -> None:
    line, none = Line(), ((), 0.03)
    sounds = [
        line.bursts(((985.2,), 0.38), ((1428.5,), 0.274), ((1776.7,), 0.38)),
        line.bursts(((913.8,), 0.274), ((1370.6,), 0.274), ((1776.7,), 0.38)),
        line.bursts(((950,), 0.33), none, ((1400,), 0.33), none, ((1800,), 0.33)),
        line.bursts(*[((950,), 0.33), ((1400,), 0.33), ((1800,), 0.33), ((), 1.0)] * 3),
    ]
    assert recognised(sounds, "pcmu") == [["sit"]] * 4


def test_what_is_no_pattern_is_not_told() -> None:
    line = Line()
    steady = line.tone((425,), 15)
    talk = noise(len(steady)).astype(np.float64)
    beat = np.arange(len(steady)) % 40_000 < 8_000
    sounds = [
        line.cadence((425,), 0.5, 0.5),  # one beep
        line.cadence((1100,), 0.5, 4),  # a beep that asks to speak
        line.cadence((425,), 1, 1, repeat=6),
        line.cadence((480,), 2, 4, repeat=3),  # one tone of the pair
        line.cadence((600,), 0.5, 0.5, repeat=6),
        line.tone((425,), 1.8),
        line.tone((2100,), 2.3),
        line.bursts(((950,), 0.33), ((1800,), 0.33), ((1400,), 0.33)),
        line.bursts(((950,), 0.1), ((1400,), 0.1), ((1800,), 0.4)),
        np.where(beat, steady, talk),  # the pauses are not quiet
        Line(dbfs=-45).cadence((425,), 0.5, 0.5, repeat=6),
        noise(80_000).astype(np.float64),
    ]
    assert recognised(sounds, "pcmu") == [[]] * len(sounds)


def test_speech_is_never_a_tone() -> None:
    sounds = [clip * 10 ** (db / 20) for clip in clips(voices(), 3) for db in (0, -10)]
    assert sum(map(len, sounds)) > 8_000 * 20
    assert recognised(sounds, "pcmu") == [[]] * len(sounds)


def test_a_stream_tells_when_it_listens(bench: Bench) -> None:
    caller = bench.open()
    send(bench, caller, signal("busy 425", Line()))
    assert told(bench) == []
    listen(bench)
    send(bench, caller, signal("busy 425", Line()))
    [event] = bench.of(plane.ProgressTone)
    assert isinstance(event, plane.ProgressTone)
    assert (event.stream, event.kind) == ("a", "busy")
    assert event.duration_s == pytest.approx(2.0, abs=0.1)
    assert 100 < event.at <= bench.now
    listen(bench, on=False)
    bench.events.clear()
    send(bench, caller, signal("congestion 425", Line()))
    assert told(bench) == []


def test_the_client_asks_for_it() -> None:
    sink = Sink()
    stream = MediaStream(MediaPlane(sink), plane.Opened("a", 20_000, ("sha-256", b"")))
    stream.listen_for_tones(True)
    stream.listen_for_tones(False)
    assert sink.commands == [plane.ListenForTones("a", True), plane.ListenForTones("a", False)]


def test_to_be_told_to_listen_twice_changes_nothing(bench: Bench) -> None:
    caller = bench.open()
    listen(bench)
    sound = signal("ringback 425", Line())
    send(bench, caller, sound[:32_000])
    listen(bench)
    send(bench, caller, sound[32_000:])
    assert told(bench) == ["ringback"]


def test_a_kind_is_told_again_when_it_was_gone(bench: Bench) -> None:
    caller = bench.open()
    listen(bench)
    busy, pause = Line().cadence((425,), 0.5, 0.5, repeat=4), np.zeros(6 * 8_000)
    send(bench, caller, np.concatenate([busy, pause, busy]))
    assert told(bench) == ["busy", "busy"]


def test_one_kind_after_another(bench: Bench) -> None:
    caller = bench.open()
    listen(bench)
    names = ("dial 425", "ringback 440+480", "sit", "busy 425", "fax-calling")
    send(bench, caller, np.concatenate([signal(name, Line()) for name in names]))
    assert told(bench) == ["dial", "ringback", "sit", "busy", "fax-calling"]


@pytest.mark.parametrize("name", NAMES)
def test_lost_packets_do_not_hide_a_pattern(bench: Bench, name: str) -> None:
    caller = bench.open()
    listen(bench)
    sound = signal(name, Line(snr_db=30))
    rng = np.random.default_rng(7)
    many = len(frames(sound))
    send(bench, caller, sound, lost=np.flatnonzero(rng.random(many) < 0.03).tolist())
    assert told(bench) == [name.split()[0]]


def test_a_hole_of_100_ms_does_not_end_a_burst(bench: Bench) -> None:
    caller = bench.open()
    listen(bench)
    send(bench, caller, signal("ringback 440+480", Line()), lost=range(40, 45))
    assert told(bench) == ["ringback"]


def test_streams_are_told_apart(bench: Bench) -> None:
    names = ("busy 480+620", "congestion 425", "fax-answer", "sit")
    callers = {name: bench.open(name) for name in (*names, "deaf")}
    sounds = {name: frames(signal(name, Line())) for name in names}
    sounds["deaf"] = sounds["busy 480+620"]
    for name in names:
        listen(bench, name)
    for number in range(max(map(len, sounds.values()))):
        bench.tick(
            *(
                (caller, caller.audio(sounds[name][number]))
                for name, caller in callers.items()
                if number < len(sounds[name])
            )
        )
    assert [told(bench, name) for name in names] == [[name.split()[0]] for name in names]
    assert told(bench, "deaf") == []


def test_a_new_stream_neither_listens_nor_remembers(bench: Bench) -> None:
    sound = Line().cadence((425,), 0.5, 0.5, repeat=3)
    first, second = sound[:12_000], sound[12_000:]
    caller = bench.open()
    listen(bench)
    send(bench, caller, first)
    bench.close()
    caller = bench.open()
    send(bench, caller, sound)
    assert told(bench) == []
    bench.close()
    caller = bench.open()
    listen(bench)
    send(bench, caller, second)
    assert told(bench) == []
