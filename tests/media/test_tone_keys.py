"""Keys heard as tones in the audio."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aywa.codecs import g711
from aywa.codecs.pcm import clipped
from aywa.codecs.tones import DTMF, dtmf, silence, tone
from aywa.media import plane
from aywa.media.tone_keys import ToneKeys

from .conftest import Bench, noise

FULL_DBM0 = 3.14


def pressed(
    key: str, *, ms: int = 40, dbm0: float = -10.0, twist: float = 0.0, off: float = 0.0
) -> NDArray[np.float64]:
    """A key whose louder tone has `dbm0`; a positive `twist` makes the high one louder."""
    time = np.arange(8 * ms) / 8_000
    loud = 32_768 * 10 ** ((dbm0 - FULL_DBM0) / 20)
    soft = loud * 10 ** (-abs(twist) / 20)
    low, high = (np.sin(2 * np.pi * f * (1 + off) * time + f) for f in DTMF[key])
    return soft * low + loud * high if twist > 0 else loud * low + soft * high


def listened(sounds: list[NDArray[np.float64]]) -> list[str]:
    """What is heard of each sound, all at once."""
    rows = np.arange(len(sounds))
    keys = ToneKeys()
    keys.allocate(len(sounds))
    pcm = np.zeros((len(sounds), 160 * (max(map(len, sounds)) // 160 + 6)), np.int16)
    for row, sound in enumerate(sounds):
        pcm[row, : len(sound)] = clipped(sound)
    pcm = g711.decode(g711.encode(pcm, "pcmu"), "pcmu")
    heard = [""] * len(sounds)
    for at in range(0, pcm.shape[1], 160):
        for key in keys.listen(rows, pcm[:, at : at + 160])[0]:
            heard[key.row] += key.digit
    return heard


def beginning_anywhere(*pieces: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    whole = np.concatenate(pieces)
    return [np.concatenate([np.zeros(begin), whole]) for begin in range(0, 160, 10)]


@pytest.mark.parametrize("key", DTMF)
@pytest.mark.parametrize("dbm0", [-3.0, -30.0])
@pytest.mark.parametrize("twist", [-12.0, 0.0, 12.0])
def test_every_key_of_40_ms_is_heard_once(key: str, dbm0: float, twist: float) -> None:
    gap = np.zeros(8 * 40)
    for off in (-0.015, 0.0, 0.015):
        sound = pressed(key, dbm0=dbm0, twist=twist, off=off)
        assert listened(beginning_anywhere(sound, gap, sound)) == [key * 2] * 16


def test_a_long_press_with_noise_on_the_line_is_one_key() -> None:
    rng = np.random.default_rng(4)
    sound = pressed("8", ms=1_500)
    assert listened([sound + rng.normal(0, 700, len(sound))]) == ["8"]


def test_what_is_no_key_is_not_heard() -> None:
    hum = tone(440, 350, seconds=0.5).astype(np.float64)
    alone = tone(770, seconds=0.5).astype(np.float64)
    beside = pressed("5", ms=200, off=0.035)
    brief = np.concatenate([pressed("5", ms=15), np.zeros(400)] * 5)
    apart = pressed("5", ms=200, twist=20)
    soft = pressed("5", ms=200, dbm0=-45)
    chord = pressed("1", ms=200) + pressed("0", ms=200)
    hiss = noise(8_000).astype(np.float64)
    assert listened([hum, alone, beside, brief, apart, soft, chord, hiss]) == [""] * 8


def play(bench: Bench, agreed: int | None) -> list[plane.Digit]:
    caller = bench.open(event_payload_type=agreed)
    sound = np.concatenate([silence(0.3), dtmf("4", 0.1), silence(0.1), dtmf("2", 0.1)])
    sound = np.concatenate([sound, silence(0.4)])
    for frame in sound.reshape(-1, 160):
        bench.tick((caller, caller.audio(frame)))
    return bench.of(plane.Digit)  # type: ignore[return-value]


def test_tones_are_digits_only_where_no_events_were_agreed(bench: Bench) -> None:
    assert play(bench, 101) == []
    bench.close()
    digits = play(bench, None)
    assert [(digit.digit, digit.heard_by) for digit in digits] == [
        ("4", "inband"),
        ("2", "inband"),
    ]
    assert all(abs(digit.duration_s - 0.1) < 0.025 for digit in digits)


def test_a_key_is_no_speech(bench: Bench) -> None:
    play(bench, None)
    heard = [event for event in bench.events if isinstance(event, plane.Heard)]
    assert sum(sum(event.speech) for event in heard) == 0
