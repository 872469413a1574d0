"""Call-progress and fax tones as exchanges and fax machines send them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 8_000
Sound = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """What becomes of a tone on its way; levels are RMS relative to full scale."""

    dbfs: float = -15.0
    off: float = 0.0
    """Of the frequencies, relative."""
    snr_db: float = 60.0
    seed: int = 1

    def cadence(self, hz: tuple[float, ...], *times: float, repeat: int = 1) -> Sound:
        """Seconds of tone and of pause in turn."""
        bursts = [(hz if index % 2 == 0 else (), one) for index, one in enumerate(times)]
        return self.bursts(*bursts * repeat)

    def bursts(self, *bursts: tuple[tuple[float, ...], float]) -> Sound:
        """Each of some frequencies, none for a pause, and seconds."""
        return np.concatenate([self.tone(hz, seconds) for hz, seconds in bursts])

    def tone(self, hz: tuple[float, ...], seconds: float) -> Sound:
        time = np.arange(round(seconds * RATE)) / RATE
        loud = 32_768 * 10 ** (self.dbfs / 20)
        waves = [np.sin(2 * np.pi * f * (1 + self.off) * time + f) for f in hz]
        sum_of = np.sum(waves, axis=0) if waves else np.zeros(len(time))
        return sum_of * loud * (2 / max(1, len(hz))) ** 0.5

    def noisy(self, sound: Sound) -> Sound:
        rms = 32_768 * 10 ** ((self.dbfs - self.snr_db) / 20)
        return sound + np.random.default_rng(self.seed).normal(0, rms, len(sound))


def signal(name: str, line: Line) -> Sound:
    """A pattern by its name, long enough to be recognised once, with what comes before it."""
    before = np.zeros(1_234)
    patterns = {
        "ringback 425": lambda: line.cadence((425,), 1, 4, repeat=3),
        "ringback 440+480": lambda: line.cadence((440, 480), 2, 4, repeat=3),
        "ringback 400+450": lambda: line.cadence((400, 450), 0.4, 0.2, 0.4, 2, repeat=3),
        "busy 425": lambda: line.cadence((425,), 0.5, 0.5, repeat=5),
        "busy 480+620": lambda: line.cadence((480, 620), 0.5, 0.5, repeat=5),
        "congestion 425": lambda: line.cadence((425,), 0.25, 0.25, repeat=8),
        "congestion 480+620": lambda: line.cadence((480, 620), 0.25, 0.25, repeat=8),
        "dial 425": lambda: line.tone((425,), 5),
        "dial 350+440": lambda: line.tone((350, 440), 5),
        "sit": lambda: line.bursts(((950,), 0.33), ((1400,), 0.33), ((1800,), 0.33), ((), 1.0)),
        "fax-calling": lambda: line.cadence((1100,), 0.5, 3, repeat=3),
        "fax-answer": lambda: line.cadence((2100,), 2.65, 1),
        "fax-answer reversing": lambda: _reversing(line.tone((2100,), 3.3)),
    }
    return line.noisy(np.concatenate([before, patterns[name]()]))


def _reversing(tone: Sound) -> Sound:
    """As V.8 has it: the phase turns every 450 ms, the level goes up and down at 15 Hz."""
    number = np.arange(len(tone))
    turned = tone * (-1.0) ** (number // round(0.45 * RATE))
    return turned * (1 + 0.2 * np.sin(2 * np.pi * 15 * number / RATE))


NAMES = (
    "ringback 425",
    "ringback 440+480",
    "ringback 400+450",
    "busy 425",
    "busy 480+620",
    "congestion 425",
    "congestion 480+620",
    "dial 425",
    "dial 350+440",
    "sit",
    "fax-calling",
    "fax-answer",
    "fax-answer reversing",
)
