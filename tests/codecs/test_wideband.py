"""G.722 and Opus: sound comes through, foreign bytes do no harm, absence is told clearly."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.codecs import wideband
from aywa.codecs.pcm import rms_dbfs
from aywa.codecs.tones import silence, tone
from aywa.codecs.wideband import Decoder, Encoder, WidebandCodec, WidebandUnavailable, samples_of

CODECS: list[WidebandCodec] = ["g722", "opus"]

needs_av = pytest.mark.skipif(not wideband.available(), reason="the extra wideband is missing")


def passed(codec: WidebandCodec, pcm: np.ndarray) -> np.ndarray:
    encoder, decoder = Encoder(codec), Decoder(codec)
    frames = [decoder.decode(encoder.encode(frame)) for frame in pcm.reshape(-1, 160)]
    return np.concatenate([frame for frame in frames if frame is not None])


@needs_av
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("hertz", [300, 1_000, 2_500])
def test_a_tone_comes_through_at_its_level(codec: WidebandCodec, hertz: int) -> None:
    sound = tone(hertz, seconds=1, dbfs=-20)
    heard = passed(codec, sound)
    assert len(heard) == len(sound)
    settled = heard[2_000:6_000]
    assert rms_dbfs(settled) == pytest.approx(-20, abs=1.5)
    spectrum = np.abs(np.fft.rfft(settled * np.hanning(len(settled))))
    assert np.argmax(spectrum) * 2 == pytest.approx(hertz, abs=4)


@needs_av
@pytest.mark.parametrize("codec", CODECS)
def test_each_frame_is_one_payload_that_tells_its_length(codec: WidebandCodec) -> None:
    encoder = Encoder(codec)
    payloads = [encoder.encode(frame) for frame in tone(440, seconds=0.4).reshape(-1, 160)]
    assert {samples_of(codec, payload) for payload in payloads} == {160}
    assert {len(payload) for payload in payloads} == {160 if codec == "g722" else 60}


@needs_av
@pytest.mark.parametrize("codec", CODECS)
def test_silence_stays_silent(codec: WidebandCodec) -> None:
    assert rms_dbfs(passed(codec, silence(0.4))) < -60


@needs_av
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(CODECS), st.lists(st.binary(max_size=300), min_size=1, max_size=6))
def test_any_payload_is_sound_or_nothing(codec: WidebandCodec, payloads: list[bytes]) -> None:
    decoder = Decoder(codec)
    for payload in payloads:
        sound = decoder.decode(payload)
        assert sound is None or sound.dtype == np.int16
    encoder = Encoder(codec)
    assert decoder.decode(encoder.encode(silence(0.02))) is not None


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        ("08", 160),  # SILK, 20 ms
        ("18", 480),  # SILK, 60 ms
        ("78", 160),  # hybrid, 20 ms
        ("e0", 20),  # CELT, 2.5 ms
        ("f9", 320),  # CELT, 20 ms, two frames
        ("fb83", 480),  # three frames of 20 ms
        ("fb87", None),  # more than 120 ms
        ("fb80", None),
        ("fb", None),
        ("", None),
    ],
)
def test_the_length_of_an_opus_payload(payload: str, samples: int | None) -> None:
    assert samples_of("opus", bytes.fromhex(payload)) == samples


def test_without_the_package_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for make in (Encoder, Decoder):
        with pytest.raises(WidebandUnavailable, match="extra 'wideband'"):
            make("opus")
