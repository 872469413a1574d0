"""Resampling: delay, fidelity in the pass band, rejection outside it."""

from itertools import pairwise

import numpy as np
import pytest

from aywa.codecs.pcm import Pcm, rms_dbfs
from aywa.codecs.resample import TAPS, Resampler, resampled
from aywa.codecs.tones import tone

RATES = [(8_000, 16_000), (16_000, 8_000), (24_000, 8_000), (22_050, 8_000)]


def signal_to_noise(got: Pcm, wanted: Pcm) -> float:
    middle = slice(len(wanted) // 4, 3 * len(wanted) // 4)
    error = got[middle].astype(float) - wanted[middle]
    return float(10 * np.log10(np.sum(wanted[middle].astype(float) ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_clip_keeps_its_sound_and_its_place(source: int, target: int) -> None:
    clip = tone(1_000, seconds=1.0, rate=source)
    got = resampled(clip, source, target)
    assert abs(len(got) - target) <= 1
    frequency = 1_000 / target
    time = np.arange(len(got))
    basis = np.stack([np.sin(2 * np.pi * frequency * time), np.cos(2 * np.pi * frequency * time)])
    middle = slice(len(got) // 4, 3 * len(got) // 4)
    fit, *_ = np.linalg.lstsq(basis[:, middle].T, got[middle].astype(float), rcond=None)
    assert signal_to_noise(got, (fit @ basis)) > 75
    delay = abs(np.arctan2(fit[1], fit[0])) / (2 * np.pi * 1_000)
    assert delay < 0.5 / target + 0.5 / source  # less than a sample


@pytest.mark.parametrize(("source", "target"), RATES)
def test_pieces_give_what_the_whole_gives(source: int, target: int) -> None:
    clip = np.random.default_rng(2).integers(-9000, 9000, 4 * source // 10).astype(np.int16)
    pieces, whole = Resampler(source, target), Resampler(source, target)
    cuts = [0, 1, 2, 100, 101, 999, 2000, len(clip)]
    parts = [pieces.feed(clip[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole.feed(clip))


@pytest.mark.parametrize("source", [16_000, 24_000, 22_050])
def test_what_would_alias_is_gone(source: int) -> None:
    clip = tone(5_500, seconds=0.5, dbfs=-6, rate=source)
    assert rms_dbfs(resampled(clip, source, 8_000)[200:-200]) < -60


@pytest.mark.parametrize("source", [16_000, 24_000, 22_050])
def test_the_telephone_band_is_kept_and_nothing_folds_into_it(source: int) -> None:
    def level(frequency: float) -> float:
        clip = tone(frequency, seconds=0.5, dbfs=-6, rate=source)
        return rms_dbfs(resampled(clip, source, 8_000)[200:-200]) + 6

    assert all(abs(level(f)) < 0.1 for f in (300, 1_000, 2_000, 2_800))
    assert level(3_400) > -3
    assert all(level(f) < -60 for f in (4_700, 5_200, 6_000, 7_500))


@pytest.mark.parametrize(("source", "target"), RATES)
def test_the_delay_is_short_and_steady_at_every_pair_of_rates(source: int, target: int) -> None:
    resampler = Resampler(source, target)
    assert resampler.delay / source <= 0.0017
    clip = tone(200, seconds=1.0, dbfs=-6, rate=source)
    got = resampler.feed(clip).astype(float)
    for begin in (0.25, 0.5, 0.75):
        at = np.arange(int(begin * target), int(begin * target) + target // 10)
        angle = 2 * np.pi * 200 * at / target
        basis = np.stack([np.sin(angle), np.cos(angle)])
        fit, *_ = np.linalg.lstsq(basis.T, got[at], rcond=None)
        measured_s = -np.arctan2(fit[1], fit[0]) / (2 * np.pi * 200)
        assert measured_s == pytest.approx(resampler.delay / source, abs=1e-6)


def test_the_delay_is_short_and_steady() -> None:
    resampler = Resampler(16_000, 8_000)
    impulse = np.zeros(1_600, np.int16)
    impulse[0] = 20_000
    assert abs(int(np.argmax(resampler.feed(impulse))) - TAPS // 2) <= 1
