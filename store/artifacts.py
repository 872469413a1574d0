"""What a call leaves behind as files: one folder a call, `<data>/calls/<id>/`.

    stereo.wav   the recording, 16-bit PCM at 8 kHz, caller left, assistant right
    call.pcap    the capture of its packets

The media plane writes the files; this module only knows where they lie.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .documents import StoreError

RECORDING = "stereo.wav"
CAPTURE = "call.pcap"

_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class CallArtifacts:
    """The files of one call."""

    folder: Path

    def recording(self) -> Path | None:
        """The stereo recording, or None when there is none."""
        return self._existing(RECORDING)

    def capture(self) -> Path | None:
        """The packet capture, or None when there is none."""
        return self._existing(CAPTURE)

    def size(self) -> int:
        """Bytes that the folder's files take."""
        if not self.folder.is_dir():
            return 0
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def erase(self) -> None:
        """Remove the folder and all in it. Raises StoreError when something remains."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"The files in {self.folder} cannot be erased: {error}.") from error

    def _existing(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.is_file() else None


def artifacts_of(data_dir: Path, call_id: str) -> CallArtifacts:
    """The artifacts of a call. Raises StoreError for an id that is no safe folder name."""
    if not _CALL_ID.fullmatch(call_id):
        raise StoreError(f"{call_id!r} is not a call id: letters, digits and hyphens, at most 64.")
    return CallArtifacts(data_dir / "calls" / call_id)
