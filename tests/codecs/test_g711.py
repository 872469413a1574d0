"""G.711: every input of both laws against a slow reading of the standard."""

import sys
import warnings
from collections.abc import Callable

import av
import numpy as np
import pytest

from aywa.codecs import g711
from aywa.codecs.g711 import Law

LAWS: tuple[Law, ...] = ("pcmu", "pcma")
EVERY_SAMPLE = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
EVERY_OCTET = np.arange(256, dtype=np.uint8)


def slow_pcmu(sample: int) -> int:
    """ITU-T G.711 table 2: 14-bit magnitude, bias 33, eight segments, all bits inverted."""
    sample >>= 2
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 8158) + 33
    segment = next(s for s in range(8) if magnitude < 64 << s)
    return ~(sign | segment << 4 | (magnitude >> (segment + 1)) & 0xF) & 0xFF


def slow_pcma(sample: int) -> int:
    """ITU-T G.711 table 1: 13-bit magnitude, even bits inverted."""
    sample >>= 3
    sign, magnitude = (0, -sample - 1) if sample < 0 else (0x80, sample)
    segment = next(s for s in range(8) if magnitude < 32 << s)
    return (sign | segment << 4 | (magnitude >> max(segment, 1)) & 0xF) ^ 0x55


@pytest.mark.parametrize(("law", "slow"), [("pcmu", slow_pcmu), ("pcma", slow_pcma)])
def test_every_sample_is_encoded_as_the_standard_says(law: Law, slow: Callable[[int], int]) -> None:
    expected = [slow(int(sample)) for sample in EVERY_SAMPLE]
    assert g711.encode(EVERY_SAMPLE, law).tolist() == expected


@pytest.mark.parametrize("law", LAWS)
def test_every_octet_survives_a_round_trip(law: Law) -> None:
    back = g711.encode(g711.decode(EVERY_OCTET, law), law)
    same = back == EVERY_OCTET
    assert same.sum() >= 255  # µ-law has two zeros, 0x7F and 0xFF; one of them comes back
    assert set(EVERY_OCTET[~same].tolist()) <= {0x7F}


def slow_level(octet: int, law: Law) -> int:
    """The middle of the decision values between which samples get this octet, on 16 bits."""
    if law == "pcmu":
        sign, segment, step = ~octet & 0x80, ~octet >> 4 & 7, ~octet & 0xF
        magnitude = (((2 * step + 33) << segment) - 33) * 4
        return -magnitude if sign else magnitude
    sign, segment, step = (octet ^ 0x55) & 0x80, (octet ^ 0x55) >> 4 & 7, (octet ^ 0x55) & 0xF
    magnitude = (2 * step + 1 if segment == 0 else (2 * step + 33) * (1 << segment - 1)) * 8
    return magnitude if sign else -magnitude


@pytest.mark.parametrize("law", LAWS)
def test_every_octet_is_decoded_as_the_standard_says(law: Law) -> None:
    expected = [slow_level(octet, law) for octet in range(256)]
    assert g711.decode(EVERY_OCTET, law).tolist() == expected


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="audioop left the standard library")
@pytest.mark.parametrize("law", LAWS)
def test_both_directions_equal_the_standard_library(law: Law) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop
    coder, decoder = {
        "pcmu": (audioop.lin2ulaw, audioop.ulaw2lin),
        "pcma": (audioop.lin2alaw, audioop.alaw2lin),
    }[law]
    assert g711.encode(EVERY_SAMPLE, law).tobytes() == coder(EVERY_SAMPLE.tobytes(), 2)
    assert g711.decode(EVERY_OCTET, law).tobytes() == decoder(EVERY_OCTET.tobytes(), 2)


@pytest.mark.parametrize("law", LAWS)
def test_batches_are_coded_in_place(law: Law) -> None:
    pcm = np.random.default_rng(1).integers(-32768, 32767, (7, 160)).astype(np.int16)
    octets, samples = np.empty((7, 160), np.uint8), np.empty((7, 160), np.int16)
    assert g711.encode(pcm, law, out=octets) is octets
    assert g711.decode(octets, law, out=samples) is samples
    assert np.corrcoef(pcm.ravel(), samples.ravel())[0, 1] > 0.999
    silence = np.full(160, g711.SILENCE[law], np.uint8)
    assert np.abs(g711.decode(silence, law)).max() <= 8


@pytest.mark.parametrize(("law", "name"), [("pcmu", "pcm_mulaw"), ("pcma", "pcm_alaw")])
def test_ffmpeg_hears_the_same(law: Law, name: str) -> None:
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8_000, "mono"
    octets = g711.encode(EVERY_SAMPLE, law)
    [frame] = decoder.decode(av.Packet(octets.tobytes()))
    assert np.array_equal(frame.to_ndarray().ravel(), g711.decode(octets, law))
