"""Files that a kill left half written are made readable; others stay as they are."""

import io
import os
import wave
from pathlib import Path

import dpkt
import numpy as np
import pytest

from aywa.codecs import wav
from aywa.media import pcap
from aywa.media.recovery import RecoveryError, Repair, repair_capture, repair_recording

RECORD = pcap.udp_record(1.0, ("192.0.2.1", 5060), ("192.0.2.2", 5060), b"OPTIONS")
SAMPLES = np.arange(40, dtype=np.int16).tobytes()
OPEN_RECORDING = wav.header(8_000, 2) + SAMPLES


def packets(data: bytes) -> list[bytes]:
    return [packet for _, packet in dpkt.pcap.Reader(io.BytesIO(data))]


@pytest.mark.parametrize("cut", range(len(RECORD)))
def test_a_capture_is_cut_to_whole_records(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap.FILE_HEADER + RECORD * 2 + RECORD[:cut])
    assert repair_capture(path) == Repair(2, cut)
    assert repair_capture(path) == Repair(2, 0)
    assert path.read_bytes() == pcap.FILE_HEADER + RECORD * 2
    assert packets(path.read_bytes()) == [RECORD[16:]] * 2


@pytest.mark.parametrize("size", range(len(pcap.FILE_HEADER)))
def test_a_capture_killed_in_its_header_is_an_empty_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap.FILE_HEADER[:size])
    assert repair_capture(path) == Repair(0, size)
    assert path.read_bytes() == pcap.FILE_HEADER


def test_a_record_of_impossible_length_ends_the_capture(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap.FILE_HEADER + RECORD + b"\xff" * 100)
    assert repair_capture(path) == Repair(1, 100)


@pytest.mark.parametrize("cut", range(4))
def test_a_recording_gets_its_true_sizes(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(OPEN_RECORDING + b"\x01" * cut)
    assert repair_recording(path) == Repair(20, cut)
    assert repair_recording(path) == Repair(20, 0)
    assert path.read_bytes() == wav.header(8_000, 2, 80) + SAMPLES
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8_000, 20)


@pytest.mark.parametrize("size", range(wav.HEADER_SIZE))
def test_a_recording_killed_in_its_header_is_an_empty_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "stereo.wav"
    path.write_bytes(OPEN_RECORDING[:size])
    assert repair_recording(path) == Repair(0, size)
    assert wav.read(path).pcm.shape == (0, 2)


def test_a_recording_is_read_before_it_is_finished() -> None:
    clip = wav.parse(OPEN_RECORDING)
    assert (clip.rate, clip.pcm.tobytes()) == (8_000, SAMPLES)
    with wave.open(io.BytesIO(OPEN_RECORDING)) as file:  # a tolerant reader, by the same bytes
        assert file.readframes(1_000) == SAMPLES


def test_sound_files_are_not_written_at_all(tmp_path: Path) -> None:
    recording, capture = tmp_path / "stereo.wav", tmp_path / "call.pcap"
    recording.write_bytes(wav.header(8_000, 2, 80) + SAMPLES)
    capture.write_bytes(pcap.FILE_HEADER + RECORD)
    for path in (recording, capture):
        os.utime(path, ns=(1, 1))
    assert repair_recording(recording) == Repair(20, 0)
    assert repair_capture(capture) == Repair(1, 0)
    assert {path.stat().st_mtime_ns for path in (recording, capture)} == {1}


@pytest.mark.parametrize(
    "foreign",
    [
        b"x",
        b"GIF89a and more of it, longer than any header of ours would be",
        wav.header(16_000, 2, 80) + SAMPLES,
        wav.header(8_000, 1, 80) + SAMPLES,
        pcap.FILE_HEADER.replace(b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") + RECORD,
    ],
)
def test_foreign_files_are_left_alone(tmp_path: Path, foreign: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(foreign)
    for repair in (repair_recording, repair_capture):
        with pytest.raises(RecoveryError, match="its header differs"):
            repair(path)
    assert path.read_bytes() == foreign


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    for repair in (repair_recording, repair_capture):
        with pytest.raises(FileNotFoundError):
            repair(tmp_path / "none")
    assert issubclass(RecoveryError, OSError)
