"""WAV: what is written is read back, hostile bytes give the one documented error."""

import contextlib
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.base.errors import AywaError
from aywa.codecs import g711, wav
from aywa.codecs.pcm import mono_mix, rms_dbfs, with_gain
from aywa.codecs.tones import DTMF, dtmf, silence


def test_a_file_is_read_back_by_us_and_by_the_standard_library(tmp_path: Path) -> None:
    pcm = np.arange(-400, 400, dtype=np.int16).reshape(-1, 2)
    wav.write(tmp_path / "a.wav", pcm, 8_000)
    clip = wav.read(tmp_path / "a.wav")
    assert (clip.rate, clip.pcm.tolist()) == (8_000, pcm.tolist())
    assert clip.mono().tolist() == pcm[:, 0].tolist()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getnframes(), file.getframerate()) == (2, 400, 8_000)


def test_a_file_still_being_written_is_read_to_its_end() -> None:
    data = wav.header(8_000, 2) + np.arange(8, dtype=np.int16).tobytes() + b"\x01"
    assert wav.parse(data).pcm.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_g711_files_are_decoded() -> None:
    octets = np.arange(256, dtype=np.uint8)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, 1, 8_000, 8_000, 1, 8)
    body = fmt + struct.pack("<4sI", b"data", 256) + octets.tobytes()
    clip = wav.parse(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)
    assert clip.mono().tolist() == g711.decode(octets, "pcmu").tolist()


def test_a_wav_error_is_one_of_the_products() -> None:
    assert issubclass(wav.WavError, AywaError)


def test_sizes_that_a_header_cannot_tell_stay_open() -> None:
    assert wav.header(8_000, 2, 2**32) == wav.header(8_000, 2)
    assert wav.header(8_000, 2, wav.MAX_DATA_SIZE)[4:8] == (2**32 - 1 - 8).to_bytes(4, "little")
    assert wav.header(8_000, 2)[4:8] == wav.header(8_000, 2)[40:44] == b"\xff" * 4


def test_large_files_and_endless_ones_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.truncate(wav.MAX_FILE_SIZE + 1)  # a hole: takes no room
    with pytest.raises(wav.WavError, match="expected at most"):
        wav.read(path)
    with pytest.raises(wav.WavError, match="not a WAV file"):
        wav.read(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not a WAV file"),
        (b"RIFF....WAVE", "no data chunk"),
        (b"RIFF....WAVEdata\x00\x00\x00\x00", "before the fmt"),
        (b"RIFF....WAVEfmt \x02\x00\x00\x00ab", "expected at least 16"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, sentence: str) -> None:
    with pytest.raises(wav.WavError, match=sentence):
        wav.parse(data)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_clip_or_the_documented_error(data: bytes, framed: bool) -> None:
    with contextlib.suppress(wav.WavError):
        wav.parse(wav.header(8_000, 1)[:36] + data if framed else data)


def test_levels_tones_and_mixing() -> None:
    low, high = DTMF["5"]
    spectrum = np.abs(np.fft.rfft(dtmf("5", seconds=1.0)))
    assert set(np.argsort(spectrum)[-2:].tolist()) == {low, high}
    assert rms_dbfs(dtmf("5")) == pytest.approx(-10, abs=0.2)
    assert rms_dbfs(with_gain(dtmf("5"), -6)) == pytest.approx(-16, abs=0.2)
    assert rms_dbfs(silence(0.1)) == -120
    assert mono_mix(np.array([[30_000, 30_000], [5, -3]], np.int16)).tolist() == [32_767, 2]
