"""Callers who hear one another: what arrives, how late, and on clocks that run apart."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from aywa.codecs import g711
from aywa.codecs.tones import tone
from aywa.media import plane
from aywa.media.datagrams import Received
from aywa.media.quality import StreamReport

from .conftest import TICK_S, WALL_OFFSET, Bench, Caller

FRAME = 160
Sound = NDArray[np.int16]


def pitch(frequency: float, seconds: float = 2.0) -> Sound:
    return tone(frequency, seconds=seconds, dbfs=-20.0)


def loudest(sound: Sound) -> float:
    """The frequency, in Hz, that most of the sound is of; 0 for silence."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * 8_000 / len(sound) if spectrum.max() > 1e4 else 0.0


def share(sound: Sound, frequency: float) -> float:
    """Of the sound's energy, what is at this frequency."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    place = round(frequency * len(sound) / 8_000)
    return float(spectrum[place - 3 : place + 4].sum() / spectrum.sum())


def open_all(bench: Bench, *names: str, **settings: object) -> dict[str, Caller]:
    callers = {}
    for number, name in enumerate(names):
        caller = bench.open(name, **settings)
        caller.ssrc += number
        callers[name] = caller
    return callers


def talk(bench: Bench, callers: dict[str, Caller], sounds: dict[str, Sound], ticks: int) -> None:
    for number in range(ticks):
        packets = []
        for name, sound in sounds.items():
            piece = sound[number * FRAME :][:FRAME]
            packets.append((callers[name], callers[name].audio(piece)))
        bench.tick(*packets)


def bridge(bench: Bench, first: str, *others: str) -> plane.Event:
    [answer] = bench.command(plane.Bridge(first, others))
    return answer


def test_two_callers_hear_one_another_and_not_themselves(bench: Bench) -> None:
    callers = open_all(bench, "a", "b")
    assert isinstance(bridge(bench, "a", "b"), plane.Bridged)
    talk(bench, callers, {"a": pitch(400), "b": pitch(700)}, 60)
    assert share(bench.spoken("b", 20), 400) > 0.95
    assert share(bench.spoken("a", 20), 700) > 0.95


def test_three_callers_each_hear_the_two_others(bench: Bench) -> None:
    callers = open_all(bench, "a", "b", "c")
    bridge(bench, "a", "b", "c")
    talk(bench, callers, {"a": pitch(400), "b": pitch(700), "c": pitch(1_100)}, 60)
    for name, heard, own in (("a", (700, 1_100), 400), ("c", (400, 700), 1_100)):
        sound = bench.spoken(name, 20)
        assert all(share(sound, frequency) > 0.4 for frequency in heard)
        assert share(sound, own) < 0.01


def test_an_assistant_is_heard_by_its_own_caller_only(bench: Bench) -> None:
    callers = open_all(bench, "a", "b")
    bridge(bench, "a", "b")
    bench.play(pitch(1_000))
    talk(bench, callers, {"b": pitch(700)}, 60)
    assert share(bench.spoken("a", 20), 1_000) > 0.4
    assert share(bench.spoken("a", 20), 700) > 0.4
    assert loudest(bench.spoken("b", 20)) == 0.0


def test_callers_of_different_codecs_hear_one_another(bench: Bench) -> None:
    bench.open("a")
    law: g711.Law = "pcma"
    bench.open("b", codec="pcma", payload_type=8)
    one, other = Caller("a"), Caller("b", ssrc=78, law=law, payload_type=8)
    bridge(bench, "a", "b")
    talk(bench, {"a": one, "b": other}, {"a": pitch(400), "b": pitch(700)}, 60)
    octets = b"".join(packet[12:] for packet in bench.sent["b"][20:])
    assert share(g711.decode(np.frombuffer(octets, np.uint8), law), 400) > 0.95
    assert share(bench.spoken("a", 20), 700) > 0.95


def test_a_bridge_ends_for_whoever_is_left_alone(bench: Bench) -> None:
    callers = open_all(bench, "a", "b", "c")
    bridge(bench, "a", "b", "c")
    sounds = {"a": pitch(400), "b": pitch(700), "c": pitch(1_100)}
    talk(bench, callers, sounds, 30)
    bench.close("c")
    del sounds["c"], callers["c"]
    talk(bench, callers, sounds, 60)
    assert share(bench.spoken("a", 50), 700) > 0.95
    bench.command(plane.LeaveBridge("b"))
    since = len(bench.sent["a"])
    talk(bench, callers, sounds, 30)
    assert loudest(bench.spoken("a", since)) == 0.0
    assert loudest(bench.spoken("b", since)) == 0.0


def test_another_bridge_takes_the_place_of_the_first(bench: Bench) -> None:
    callers = open_all(bench, "a", "b", "c")
    bridge(bench, "a", "b")
    sounds = {"a": pitch(400), "b": pitch(700), "c": pitch(1_100)}
    talk(bench, callers, sounds, 20)
    bridge(bench, "c", "b")
    talk(bench, callers, sounds, 60)
    assert share(bench.spoken("b", 40), 1_100) > 0.95
    assert loudest(bench.spoken("a", 40)) == 0.0


@pytest.mark.parametrize("others", [(), ("a",), ("nobody",), ("b", "c", "d")])
def test_what_cannot_be_joined_is_told(bench: Bench, others: tuple[str, ...]) -> None:
    open_all(bench, "a", "b", "c", "d")
    failed = bridge(bench, "a", *others)
    assert isinstance(failed, plane.BridgeFailed)
    assert "stream" in failed.reason


def test_a_row_that_is_used_again_hears_nobody(bench: Bench) -> None:
    callers = open_all(bench, "a", "b")
    bridge(bench, "a", "b")
    talk(bench, callers, {"b": pitch(700)}, 10)
    bench.close("a")
    callers["new"] = bench.open("new")
    talk(bench, callers, {"b": pitch(700)}, 30)
    assert loudest(bench.spoken("new")) == 0.0


@dataclass
class Line:
    """A caller whose packets take their time, on a clock that may run fast or slow."""

    caller: Caller
    ppm: float = 0.0
    delays: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """Seconds, of one packet after the other, again and again."""
    sent: int = 0

    def due(self, now: float, sound: Sound) -> list[tuple[float, bytes]]:
        """What arrived until `now`, in order of arrival, with when; seconds since the begin."""
        found = []
        while True:
            spoken = self.sent * 0.02 / (1 + self.ppm * 1e-6)
            if spoken > now:
                break
            arrives = spoken + float(self.delays[self.sent % len(self.delays)])
            found.append((arrives, self.caller.audio(sound)))
            self.sent += 1
        return found


def run(bench: Bench, lines: list[Line], sound: Sound, seconds: float) -> None:
    """Let the lines talk; a packet is there in the first tick after it arrived."""
    begin = bench.now
    waiting: list[tuple[float, Line, bytes]] = []
    for _ in range(round(seconds / TICK_S)):
        until = bench.now + TICK_S - begin
        for line in lines:
            waiting += [(arrives, line, data) for arrives, data in line.due(until, sound)]
        now = sorted((one for one in waiting if one[0] <= until), key=lambda one: one[0])
        waiting = [one for one in waiting if one[0] > until]
        bench.now += TICK_S
        batch = Received.allocate(len(now))
        for index, (arrives, line, data) in enumerate(now):
            batch.data[index, : len(data)] = np.frombuffer(data, np.uint8)
            batch.length[index] = len(data)
            batch.row[index] = bench.engine.table.streams[line.caller.stream]
            batch.source[index] = bench.engine.book.number(*line.caller.address)
            batch.stamp[index] = begin + arrives + WALL_OFFSET
        bench._keep(bench.engine.tick(bench.now, bench.now + WALL_OFFSET, batch))
        bench.events.clear()


def report(bench: Bench, stream: str) -> StreamReport:
    [measured] = bench.command(plane.Measure(stream))
    assert isinstance(measured, plane.Measured)
    return measured.report


def test_clocks_that_run_apart_for_ten_minutes(bench: Bench) -> None:
    callers = open_all(bench, "a", "b")
    bridge(bench, "a", "b")
    lines = [Line(callers["a"], ppm=200), Line(callers["b"], ppm=-200)]
    run(bench, lines, pitch(500, 0.02), 600)
    for name, ppm in (("a", 200), ("b", -200)):
        found = report(bench, name)
        assert found.underruns == 0
        assert found.drift_ppm == pytest.approx(ppm, abs=20)
        assert found.concealed == 0
        assert found.held_ms == pytest.approx(21, abs=5)


@pytest.mark.parametrize("step", [-800_000, 800_000])
def test_a_far_end_that_changes_is_held_no_longer(bench: Bench, step: int) -> None:
    """Another SSRC, and timestamps that begin elsewhere, as after a transfer behind the peer."""
    callers = open_all(bench, "a", "b")
    bridge(bench, "a", "b")
    line = Line(callers["a"])
    run(bench, [line], pitch(500, 0.02), 10)
    line.caller.ssrc += 1
    line.caller.timestamp = (line.caller.timestamp + step) % 2**32
    run(bench, [Line(line.caller)], pitch(500, 0.02), 10)
    assert report(bench, "a").held_ms < 30


@pytest.mark.parametrize("jitter_ms", [0, 20, 60, 120])
def test_sound_is_held_as_long_as_its_line_needs(bench: Bench, jitter_ms: int) -> None:
    callers = open_all(bench, "a", "b")
    bridge(bench, "a", "b")
    rng = np.random.default_rng(5)
    delays = rng.uniform(0, jitter_ms / 1000, 997)
    run(bench, [Line(callers["a"], delays=delays)], pitch(500, 0.02), 60)
    found = report(bench, "a")
    if jitter_ms < 120:  # else hearing itself gives up on some
        assert found.underruns <= 1
        assert found.held_ms <= np.quantile(delays, 0.95) * 1000 + 20 + 3
    heard = bench.spoken("b", 500).astype(np.float64)
    level = np.sqrt((heard[: len(heard) // 80 * 80].reshape(-1, 80) ** 2).mean(axis=1))
    assert (level < np.median(level) / 2).mean() < 0.005  # of all 10 ms, the silent ones
    assert found.drift_ppm == pytest.approx(0, abs=20)
