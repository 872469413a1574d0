"""Keys heard as tones: how many of them are found, and how many speech alone gives (talk-off).

    .venv/bin/python bench/dtmf.py [SOUND.wav …]

Speech is that of the files, and of the synthesisers of this machine (flite, espeak-ng) reading the
README; all of it at 8 kHz through G.711 µ-law.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aywa.codecs import g711, wav  # noqa: E402 - the checkout's own packages
from aywa.codecs.pcm import clipped, mono_mix  # noqa: E402
from aywa.codecs.resample import resampled  # noqa: E402
from aywa.codecs.tones import DTMF  # noqa: E402
from aywa.media.tone_keys import ToneKeys  # noqa: E402

FULL_DBM0 = 3.14
BEGINS = range(0, 160, 10)
TIMES = 4
LEVELS_DB = (0, 6, -10, -20)
"""Speech is heard again louder and softer."""


def digits_of(sound: NDArray[np.float64]) -> list[list[str]]:
    """What is heard in each row of `sound`."""
    keys, rows = ToneKeys(), np.arange(len(sound))
    keys.allocate(len(sound))
    found: list[list[str]] = [[] for _ in rows]
    pcm = g711.decode(g711.encode(clipped(sound), "pcmu"), "pcmu")
    for begin in range(0, pcm.shape[1] - 159, 160):
        for key in keys.listen(rows, pcm[:, begin : begin + 160])[0]:
            found[key.row].append(key.digit)
    return found


def found(*, dbm0: float, twist: float, off: float, ms: int = 40, gap_ms: int = 40) -> float:
    """Share of keys heard, each once; they begin anywhere in a frame. `off` is relative."""
    cases = [(key, begin) for key in DTMF for begin in BEGINS]
    step = 8 * (ms + gap_ms)
    sound = np.zeros((len(cases), 160 * -(-(TIMES * step + 1_000) // 160)))
    time_s = np.arange(8 * ms) / 8_000
    loud = 32_768 * 10 ** ((dbm0 - FULL_DBM0) / 20)
    for row, (key, begin) in enumerate(cases):
        low, high = (2 * np.pi * f * (1 + off) * time_s for f in DTMF[key])
        soft = loud * 10 ** (-abs(twist) / 20)
        a, b = (loud, soft) if twist < 0 else (soft, loud)
        for number in range(TIMES):
            at = 160 + begin + number * step
            tone = a * np.sin(low + number + begin) + b * np.sin(high - number)
            sound[row, at : at + len(tone)] = tone
    heard = digits_of(sound)
    right = sum(got == [key] * TIMES for (key, _), got in zip(cases, heard, strict=True))
    return right / len(cases)


def speech(
    files: list[str], text_of: Path = ROOT / "README.md"
) -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Named clips at 8 kHz: the files, and the beginning of a text as each voice reads it."""
    text = text_of.read_text()[:6_000]
    commands: list[tuple[str, list[str]]] = []
    if flite := shutil.which("flite"):
        voices = ("kal", "awb", "rms", "slt")
        commands += [(f"flite {v}", [flite, "-voice", v, "-t", text, "-o"]) for v in voices]
    if espeak := shutil.which("espeak-ng"):
        voices = ("en", "en+f3", "en-us+m4", "de", "fr+f2", "es")
        commands += [(f"espeak {v}", [espeak, "-v", v, text, "-w"]) for v in voices]
    for file in files:
        yield Path(file).name, _clip(Path(file))
    for name, command in commands:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "speech.wav")
            subprocess.run([*command, str(path)], check=True, capture_output=True)
            yield name, _clip(path)


def _clip(path: Path) -> NDArray[np.int16]:
    clip = wav.read(path)
    pcm = clip.pcm if clip.pcm.ndim == 1 else mono_mix(clip.pcm)
    return resampled(pcm, clip.rate, 8_000)


def main() -> None:
    print("keys of 40 ms, 40 ms apart, beginning anywhere: share heard, each once")
    for dbm0 in (-3.0, -30.0):
        for twist in (0.0, 12.0, -12.0):
            for off in (0.0, 0.015, -0.015):
                share = found(dbm0=dbm0, twist=twist, off=off)
                print(f"  {dbm0:5.0f} dBm0  twist {twist:4.0f} dB  {off:+.1%}  {share:7.1%}")
    print(f"  frequencies 3.5 % off: {found(dbm0=-10, twist=0, off=0.035):.1%}")
    print(f"  tones of 20 ms: {found(dbm0=-10, twist=0, off=0, ms=20, gap_ms=60):.1%}")
    total_s, false = 0.0, 0
    for name, pcm in speech(sys.argv[1:]):
        rows = np.stack([pcm * 10 ** (level / 20) for level in LEVELS_DB])
        heard = sum(map(len, digits_of(rows)))
        total_s += rows.size / 8_000
        false += heard
        print(f"  {name:20} {rows.size / 8_000 / 60:6.1f} min  false keys {heard}")
    print(f"talk-off: {false} false keys in {total_s / 3600:.2f} h of speech")
    keys, rows = ToneKeys(), np.arange(100)
    keys.allocate(100)
    noise = np.random.default_rng(1).integers(-8_000, 8_000, (100, 160)).astype(np.int16)
    begin = time.process_time()
    for _ in range(200):
        keys.listen(rows, noise)
    print(f"cost: {(time.process_time() - begin) / 200 / 100 * 1e6:.1f} µs a stream and tick")


if __name__ == "__main__":
    main()
