"""Call-progress and fax tones: how many speech alone gives, and what it costs to listen.

    .venv/bin/python -m bench.progress_tones [TEXT …]

Speech is that of the synthesisers of this machine (flite, espeak-ng) reading the texts, the README
unless told; higher and lower as well, and softer; all of it at 8 kHz through G.711 µ-law.
"""

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aywa.codecs import g711
from aywa.codecs.resample import resampled
from aywa.media.progress_tones import FRAME, FRAME_S, ProgressTones
from aywa.media.tone_sets import NONE
from bench.dtmf import ROOT, speech

PITCHES = (6_000, 7_000, 8_000, 9_500, 11_500)
"""Speech is heard as if it had been taken at these rates."""
SOFTER = 0.25
ROWS = (1, 10, 100)
TICKS = 300


def listening(rows: int) -> ProgressTones:
    """So many rows that listen."""
    tones = ProgressTones()
    tones.allocate(rows)
    for row in range(rows):
        tones.switch(row, on=True)
    return tones


def told(pcm: NDArray[np.int16]) -> tuple[list[str], float]:
    """What is told of a clip at any pitch and level; and seconds of the longest run of tones."""
    clips = [resampled(pcm, rate, 8_000) for rate in PITCHES]
    clips += [(clip * SOFTER).astype(np.int16) for clip in clips]
    many = max(map(len, clips)) // FRAME
    sound = np.zeros((len(clips), many, FRAME), np.int16)
    for row, clip in enumerate(clips):
        whole = len(clip) // FRAME
        sound[row, :whole] = clip[: whole * FRAME].reshape(-1, FRAME)
    sound = g711.decode(g711.encode(sound, "pcmu"), "pcmu")
    tones, rows = listening(len(clips)), np.arange(len(clips))
    lost = np.zeros(len(clips), np.bool_)
    kinds, longest = [], 0
    for number in range(many):
        kinds += [one.kind for one in tones.listen(rows, sound[:, number], lost)]
        run = (tones.length - tones.missed)[tones.tones != NONE]
        longest = max(longest, *run.tolist(), 0)
    return kinds, longest * FRAME_S


def cost_us(rows: int) -> float:
    """Processor time for one frame of one row, when so many listen to noise."""
    tones, every = listening(rows), np.arange(rows)
    noise = np.random.default_rng(1).integers(-8_000, 8_000, (rows, FRAME)).astype(np.int16)
    lost = np.zeros(rows, np.bool_)
    begin = time.process_time()
    for _ in range(TICKS):
        tones.listen(every, noise, lost)
    return (time.process_time() - begin) / TICKS / rows * 1e6


def main() -> None:
    for rows in ROWS:
        print(f"cost: {cost_us(rows):6.1f} µs a row and frame where {rows} listen")
    hours, false = 0.0, 0
    for text in [Path(one) for one in sys.argv[1:]] or [ROOT / "README.md"]:
        for name, pcm in speech([], text):
            kinds, longest = told(pcm)
            spoken_s = 2 * sum(len(pcm) / rate for rate in PITCHES)
            print(
                f"  {text.name:20} {name:15} {spoken_s / 60:6.1f} min, longest {longest:.2f} s,",
                kinds,
            )
            hours += spoken_s / 3_600
            false += len(kinds)
    print(f"{false} told in {hours:.2f} h of speech: {false / max(hours, 1e-9):.2f} an hour")


if __name__ == "__main__":
    main()
