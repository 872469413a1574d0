"""From one decision per frame to segments of speech, and between two clocks.

Speech is decided in *media time*: seconds on the line's heard clock, which counts samples and knows
no jitter. Timers run in monotonic time; a frame's end belongs to the moment its packet arrived.
Knows nothing of words or turns.
"""

from collections import deque
from dataclasses import dataclass

from ..media.plane import Heard
from .timing import FRAME_S, FRAME_SAMPLES, seconds

ONSET_FRAMES = 3  # speech frames among the last ONSET_WINDOW that begin a segment: 60 ms
ONSET_WINDOW = 4
RETURN_FRAMES = 2  # speech frames in a row that end a doubt: 40 ms
LOST_FRAMES = 3  # missing frames in a row before they count as silence
IGNORED_S = 0.2  # detectors call the first frames of noise speech


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began. `at` is monotonic, `heard_s` media time, both of its first sample."""

    at: float
    heard_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech ended: `at` and `heard_s` are its last sample's, the overhang taken off."""

    at: float
    heard_s: float
    voiced_s: float


class HeardClock:
    """The mapping between monotonic and media time, as the last packet showed it."""

    def __init__(self) -> None:
        self._offset = 0.0

    def observe(self, heard: Heard) -> None:
        """Learn from what arrived."""
        end = heard.sample + len(heard.speech) * FRAME_SAMPLES
        self._offset = heard.arrived - seconds(end)

    def at(self, heard_s: float) -> float:
        """The monotonic time of a media time."""
        return heard_s + self._offset

    def heard_s(self, at: float) -> float:
        """The media time of a monotonic time."""
        return at - self._offset


class SpeechSegmenter:
    """Quiet → starting → speaking → stopping → quiet, one frame at a time.

    `stop_s` of silence ends a segment. It is compared with the true end of speech, so that a
    detector with another `overhang_s` gives the same latency. A concealed frame never begins
    speech, and does not end it before three come in a row.
    """

    def __init__(self, *, stop_s: float, overhang_s: float) -> None:
        self.speaking = False
        self.voiced_frames = 0
        """Speech frames of the present segment."""
        self._stop_s = stop_s
        self._overhang_s = overhang_s
        self._recent: deque[tuple[bool, float, float]] = deque(maxlen=ONSET_WINDOW)
        self._last = (0.0, 0.0)
        self._doubt = False
        self._run = 0
        self._lost = 0

    def hear(self, heard: Heard) -> list[SpeechStarted | SpeechStopped]:
        """Take the next frames; give back what began and ended in them."""
        changes = []
        for index, (speech, real) in enumerate(zip(heard.speech, heard.real, strict=False)):
            end_s = seconds(heard.sample + (index + 1) * FRAME_SAMPLES)
            at = heard.arrived - (len(heard.speech) - 1 - index) * FRAME_S
            voiced = speech and real and end_s > IGNORED_S
            self._lost = 0 if real else self._lost + 1
            change = (self._follow if self.speaking else self._listen)(voiced, at, end_s)
            if change is not None:
                changes.append(change)
        return changes

    def _listen(self, voiced: bool, at: float, end_s: float) -> SpeechStarted | None:
        self._recent.append((voiced, at, end_s))
        spoken = [(at, end_s) for voiced, at, end_s in self._recent if voiced]
        if len(spoken) < ONSET_FRAMES:
            return None
        self.speaking = True
        self.voiced_frames = len(spoken)
        self._last = spoken[-1]
        self._doubt = False
        self._recent.clear()
        first_at, first_end_s = spoken[0]
        return SpeechStarted(first_at - FRAME_S, first_end_s - FRAME_S)

    def _follow(self, voiced: bool, at: float, end_s: float) -> SpeechStopped | None:
        self._run = self._run + 1 if voiced else 0
        if voiced and (not self._doubt or self._run >= RETURN_FRAMES):
            self._doubt = False
            self.voiced_frames += 1
            self._last = (at, end_s)
            return None
        missing = 0 < self._lost < LOST_FRAMES
        self._doubt = self._doubt or not missing
        last_at, last_end_s = self._last
        silence_s = end_s - last_end_s + self._overhang_s
        if missing or silence_s < self._stop_s - FRAME_S / 100:
            return None
        voiced_s = max(0.0, self.voiced_frames * FRAME_S - self._overhang_s)
        self.speaking = False
        self.voiced_frames = 0
        return SpeechStopped(last_at - self._overhang_s, last_end_s - self._overhang_s, voiced_s)
