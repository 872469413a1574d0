"""Makes recordings and captures readable that a killed process left half written.

Both repairs work in place, do nothing to a sound file, and can be run again.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from ..codecs import wav
from .pcap import FILE_HEADER, RECORD_HEADER_SIZE

CHANNELS, RATE, FRAME_SIZE = 2, 8_000, 4

_MAX_RECORD = 262_144  # octets; the snapshot length in the file header


@dataclass(frozen=True, slots=True)
class Repair:
    """What is in the file now, and what had to be cut off."""

    kept: int
    """Stereo samples of a recording, records of a capture."""
    cut: int
    """Octets of a last sample or record that was not whole."""


def repair_recording(path: Path) -> Repair:
    """Cut a half-written last sample and write the true sizes. Raises OSError."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        data = max(size - wav.HEADER_SIZE, 0)
        whole = data - data % FRAME_SIZE
        file.truncate(wav.HEADER_SIZE + whole if size >= wav.HEADER_SIZE else 0)
        file.seek(0)
        file.write(wav.header(RATE, CHANNELS, whole))
    return Repair(whole // FRAME_SIZE, data - whole)


def repair_capture(path: Path) -> Repair:
    """Cut a half-written last record. Raises OSError."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if file.read(len(FILE_HEADER)) != FILE_HEADER:
            file.seek(0)
            file.truncate()
            file.write(FILE_HEADER)
            return Repair(0, size)
        records, end = 0, len(FILE_HEADER)
        while len(head := file.read(RECORD_HEADER_SIZE)) == RECORD_HEADER_SIZE:
            length = struct.unpack("<IIII", head)[2]
            if length > _MAX_RECORD or end + RECORD_HEADER_SIZE + length > size:
                break
            end = file.seek(length, os.SEEK_CUR)
            records += 1
        file.truncate(end)
    return Repair(records, size - end)
