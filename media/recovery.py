"""Makes recordings and captures readable that a killed process left half written.

While a recording is written its header says 0xFFFFFFFF for both sizes ("to the end of the file");
a capture has no sizes but those of its records. Both repairs work in place, change nothing in a
sound file, can be run again, and leave alone what this runtime did not write.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import AywaError
from ..codecs import wav
from .pcap import FILE_HEADER, RECORD_HEADER_SIZE

CHANNELS, RATE, FRAME_SIZE = 2, 8_000, 4

_MAX_RECORD = 262_144  # octets; the snapshot length in the file header
_RIFF_SIZE, _DATA_SIZE = slice(4, 8), slice(40, 44)


class RecoveryError(AywaError, OSError):
    """The file was not written by this runtime; it is left as it is. Also an OSError."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What is in the file now, and what had to be cut off."""

    kept: int
    """Stereo samples of a recording, records of a capture."""
    cut: int
    """Octets of a last sample or record that was not whole, or of a header that was not."""


def repair_recording(path: Path) -> Repair:
    """Cut a half-written last sample and write the true sizes. Raises OSError, RecoveryError."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = bytearray(file.read(wav.HEADER_SIZE))
        # Ours is the same but for the sizes; of a header cut short, only what is there counts.
        ours = bytearray(wav.header(RATE, CHANNELS))
        ours[_RIFF_SIZE], ours[_DATA_SIZE] = head[_RIFF_SIZE], head[_DATA_SIZE]
        if not ours.startswith(head):
            raise RecoveryError(f"{path} is no {RATE} Hz stereo recording: its header differs")
        body = max(size - wav.HEADER_SIZE, 0)
        cut = body % FRAME_SIZE if size >= wav.HEADER_SIZE else size
        whole = body - body % FRAME_SIZE
        header = wav.header(RATE, CHANNELS, whole)
        if cut:
            file.truncate(size - cut)
        if header != head:
            file.seek(0)
            file.write(header)
    return Repair(whole // FRAME_SIZE, cut)


def repair_capture(path: Path) -> Repair:
    """Cut a half-written last record. Raises OSError, RecoveryError."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(len(FILE_HEADER))
        if not FILE_HEADER.startswith(head):
            raise RecoveryError(f"{path} is no capture of this runtime: its header differs")
        if len(head) < len(FILE_HEADER):
            file.seek(0)
            file.write(FILE_HEADER)
            return Repair(0, size)
        records, end = 0, len(FILE_HEADER)
        while len(head := file.read(RECORD_HEADER_SIZE)) == RECORD_HEADER_SIZE:
            length = struct.unpack("<IIII", head)[2]
            if length > _MAX_RECORD or end + RECORD_HEADER_SIZE + length > size:
                break
            end = file.seek(length, os.SEEK_CUR)
            records += 1
        if end < size:
            file.truncate(end)
    return Repair(records, size - end)
