"""What is heard where frames were lost, and how good speech sounds with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aywa.media.concealment import FRAME, MAX_OVERLAP, Concealment
from bench.concealment import (
    clips,
    concealed,
    gilbert_elliott,
    repeated,
    scored,
    stoi,
    voices,
    zeros,
)

BLOCK = 80  # 10 ms
LOST_AT = 10


def voiced(hz: float, *, frames: int = 24, begin: float = 0.0) -> NDArray[np.int16]:
    """Pulses of a voice through two formants, shape (frames, 160)."""
    time_s = np.arange(frames * FRAME) / 8_000
    sound = np.zeros(len(time_s))
    for number in range(1, int(3_600 / hz)):
        high = number * hz
        loud = (1 + ((high - 600) / 150) ** 2) ** -0.5 + (1 + ((high - 1_700) / 200) ** 2) ** -0.5
        sound += loud * np.cos(2 * np.pi * number * (hz * time_s + begin))
    return np.rint(sound / np.abs(sound).max() * 12_000).astype(np.int16).reshape(-1, FRAME)


def lose(sound: NDArray[np.int16], count: int = 1, at: int = LOST_AT) -> NDArray[np.int16]:
    """The frames of one row as they are heard when `count` of them are lost."""
    lost = np.zeros((1, len(sound)), np.bool_)
    lost[:, at : at + count] = True
    return concealed(sound[None], lost)[0]


def test_the_level_falls_by_a_fifth_each_10_ms_to_silence_after_60() -> None:
    sound = voiced(100, begin=0.3)  # a period is 80 samples, as is each block
    made = lose(sound, 6)[LOST_AT : LOST_AT + 6].reshape(-1, BLOCK)
    steady = np.abs(sound[LOST_AT, :BLOCK].astype(float)).sum()
    level = np.abs(made.astype(float)).sum(axis=1) / steady
    assert level[:6] == pytest.approx([1, 0.9, 0.7, 0.5, 0.3, 0.1], abs=0.04)
    assert not made[6:].any()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("hz", [71, 93.7, 120, 187.3])
def test_no_join_clicks(hz: float, count: int) -> None:
    sound = voiced(hz, begin=0.3)
    loudest = np.abs(np.diff(sound.ravel().astype(int))).max()
    for at in range(LOST_AT, LOST_AT + 6):
        heard = lose(sound, count, at).ravel().astype(int)
        assert np.abs(np.diff(heard)).max() <= 1.1 * loudest


@pytest.mark.parametrize("hz", [83.0, 120.0, 150.5])
def test_a_voice_keeps_its_pitch_where_repeating_a_period_loses_it(hz: float) -> None:
    sounds = np.stack([voiced(hz, begin=begin) for begin in np.arange(8) / 8])
    lost = np.zeros(sounds.shape[:2], np.bool_)
    lost[:, LOST_AT] = True

    def likeness(heard: NDArray[np.int16]) -> list[float]:
        pairs = zip(heard[:, LOST_AT], sounds[:, LOST_AT], strict=True)
        return [float(np.corrcoef(made, true)[0, 1]) for made, true in pairs]

    assert min(likeness(concealed(sounds, lost))) > 0.95
    assert max(likeness(repeated(sounds, lost))) < 0.95


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_period_of_120_hz_goes_on(count: int) -> None:
    heard = lose(voiced(120), count)[LOST_AT - 2 : LOST_AT + 1].ravel().astype(float)
    lags = np.arange(40, 121)
    same = [np.corrcoef(heard[lag:], heard[:-lag])[0, 1] for lag in lags]
    assert lags[np.argmax(same)] == 67  # samples, 66.67


def test_good_sound_is_left_alone_but_for_the_overlap() -> None:
    sound = voiced(110)
    heard = lose(sound, 2)
    assert np.array_equal(heard[:LOST_AT], sound[:LOST_AT])
    after = slice((LOST_AT + 2) * FRAME + MAX_OVERLAP, None)
    assert np.array_equal(heard.ravel()[after], sound.ravel()[after])


def test_silence_stays_silent_and_noise_no_louder() -> None:
    assert not lose(np.zeros((24, FRAME), np.int16), 4).any()
    noise = np.random.default_rng(1).normal(0, 1_000, (24, FRAME)).astype(np.int16)
    made = lose(noise, 3)[LOST_AT : LOST_AT + 3].astype(float)
    assert np.sqrt((made**2).mean(axis=1)).max() < 1_500


@settings(max_examples=30)
@given(st.lists(st.lists(st.booleans(), min_size=16, max_size=16), min_size=1, max_size=6))
def test_each_row_is_concealed_as_if_it_were_alone(fates: list[list[bool]]) -> None:
    lost = np.array(fates)
    random = np.random.default_rng(len(fates))
    sounds = np.stack([voiced(80 + 20 * row, frames=16) for row in range(len(fates))])
    sounds[::2] = random.integers(-32_768, 32_768, sounds[::2].shape)
    together = concealed(sounds, lost)
    for row, sound in enumerate(sounds):
        alone = concealed(sound[None], lost[row : row + 1])[0]
        # Sums of many rows may be rounded another way.
        assert np.abs(together[row].astype(int) - alone).max() <= 1


def test_a_row_used_again_has_nothing_of_the_call_before() -> None:
    concealment, row = Concealment(), np.array([2])
    concealment.allocate(4)
    for frame in voiced(100):
        concealment.remember(row, frame[None].copy())
    assert concealment.conceal(row).any()
    concealment.reset(2)
    assert not concealment.conceal(row).any()


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.05])
def test_speech_under_loss_scores_better_than_with_a_repeated_period(rate: float) -> None:
    engines = voices()
    if not engines:
        pytest.skip("needs libflite1 or espeak-ng")
    speech = clips(engines[:2], 4) * 2
    lost = [
        gilbert_elliott(len(clip) // FRAME, rate, 2.0, seed) for seed, clip in enumerate(speech)
    ]
    ours, plain, none = (scored(speech, lost, fill, stoi) for fill in (concealed, repeated, zeros))
    assert len(ours) >= 8
    assert ours.mean() > plain.mean() > none.mean()
