"""Where speech begins and ends in a stream, by its energy; for feeding the recogniser only.

The level of the noise is followed down at once and up slowly, so that a steady hum closes the gate
after some seconds. Frames are 20 ms of 8 kHz samples. Knows no recogniser.
"""

import numpy as np

from ..protocols import Pcm

FRAME = 160  # samples
ABOVE_NOISE_DB = 9.0
FLOOR_DBFS = -50.0  # softer is never speech
RISE_DB = 0.04  # how fast the noise estimate rises, per frame: 2 dB a second
ONSET_FRAMES = 3  # loud frames of the last five that open the gate
WINDOW_FRAMES = 5


class SpeechGate:
    """Says for each frame whether it belongs to speech."""

    def __init__(self, end_silence_s: float) -> None:
        self.open = False
        self.loud_frames = 0
        """Loud frames since the gate opened: how much speech there was."""
        self._end_frames = max(1, round(end_silence_s * 50))
        self._noise = -70.0
        self._recent = [False] * WINDOW_FRAMES
        self._quiet = 0

    def feed(self, frame: Pcm) -> bool:
        """Judge the next frame; True while speech, its tail included, is going on."""
        loud = self._is_loud(frame)
        self._recent = [*self._recent[1:], loud]
        if self.open:
            self.loud_frames += loud
            self._quiet = 0 if loud else self._quiet + 1
            if self._quiet >= self._end_frames:
                self.reset()
        elif sum(self._recent) >= ONSET_FRAMES:
            self.open, self.loud_frames, self._quiet = True, sum(self._recent), 0
        return self.open

    def reset(self) -> None:
        """Close the gate; the estimate of the noise stays."""
        self.open = False
        self._recent = [False] * WINDOW_FRAMES

    def _is_loud(self, frame: Pcm) -> bool:
        power = float(np.mean(np.square(frame, dtype=np.float64))) / 32_768.0**2
        level = 10.0 * float(np.log10(max(power, 1e-9)))
        self._noise = max(-80.0, min(level, self._noise + RISE_DB))
        return level > max(self._noise + ABOVE_NOISE_DB, FLOOR_DBFS)
