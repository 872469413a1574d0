"""How good speech sounds whose lost frames were concealed, and what concealing one costs.

    .venv/bin/python -m bench.concealment [SEEDS]

Sentences of tests/providers/sentences.txt, spoken by the synthesisers of this machine, lose frames
by the Gilbert-Elliott model and are filled in four ways: with zeros, by repeating the last period
and fading it, by the engine's concealment, and by the same with the delay of 3.75 ms that ITU-T
G.711 Appendix I asks for. Scored by STOI (`pystoi`), and by PESQ (ITU-T P.862, narrowband) where
`pesq` is installed.
"""

import shutil
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aywa.codecs import g711
from aywa.media.concealment import (
    FINE,
    FRAME,
    HISTORY,
    MADE,
    MAX_LAG,
    MAX_OVERLAP,
    MIN_LAG,
    Concealment,
    between,
    continuation,
    overlaps,
    pitch_lags,
)
from aywa.providers.offline.engines import FLITE_VOICES, Engine, EngineMissing, Espeak, Flite

SENTENCES = Path(__file__).resolve().parent.parent / "tests" / "providers" / "sentences.txt"
RATES = (0.01, 0.03, 0.05)
BURSTS = (1.5, 2.0, 3.0)  # packets, the mean
UNHARMED = 8
"""Frames at the begin that are not lost."""

Frames = NDArray[np.int16]
"""Clips, frames, samples."""
Lost = NDArray[np.bool_]
"""Clips, frames."""
Filling = Callable[[Frames, Lost], Frames]
Measure = Callable[[NDArray[np.int16], NDArray[np.int16]], float]


def voices() -> list[Engine]:
    """The synthesisers here."""
    found: list[Engine] = []
    for name in FLITE_VOICES:
        try:
            found.append(Flite(name))
        except EngineMissing:
            continue
    if not found and (program := shutil.which("espeak-ng")):
        found.append(Espeak(program))
    return found


def clips(engines: list[Engine], count: int) -> list[NDArray[np.int16]]:
    """`count` clips of two sentences a voice, through µ-law, in whole frames."""
    texts = [t for t in SENTENCES.read_text().splitlines() if t and t[0] != "#"]
    quiet = np.zeros(1_600, np.int16)
    made = []
    for engine, number in product(engines, range(count)):
        said = [engine.render(text).pcm for text in texts[2 * number : 2 * number + 2]]
        pcm = np.concatenate([quiet, *(part for one in said for part in (one, quiet))])
        pcm = pcm[: len(pcm) // FRAME * FRAME]
        made.append(g711.decode(g711.encode(pcm, "pcmu"), "pcmu"))
    return made


def gilbert_elliott(count: int, rate: float, burst: float, seed: int) -> NDArray[np.bool_]:
    """Which of `count` frames are lost: `rate` of them, `burst` in a row in the mean."""
    random = np.random.default_rng(seed)
    leave = 1 / burst
    enter = rate * leave / (1 - rate)
    lost, bad = np.zeros(count, np.bool_), False
    for number, chance in enumerate(random.random(count)):
        bad = chance >= leave if bad else chance < enter
        lost[number] = bad
    lost[:UNHARMED] = False
    return lost


def zeros(frames: Frames, lost: Lost) -> Frames:
    """Silence in the place of lost frames."""
    return np.where(lost[:, :, None], 0, frames)


def repeated(frames: Frames, lost: Lost) -> Frames:
    """The last period repeated as it is, faded; the first good frame faded in over 4 ms."""
    out = frames.copy()
    ramp = np.arange(1, 33) / 33
    gain = np.clip(1.2 - np.arange(4 * FRAME) / 400, 0, 1)
    for row in range(len(out)):
        history, made, going = np.zeros(MADE), 0, np.zeros(0)
        for number in range(out.shape[1]):
            here = slice(min(made, 3) * FRAME, min(made, 3) * FRAME + FRAME)
            if lost[row, number]:
                if made == 0:
                    lag = _plain_lag(history)
                    going = history[MADE - lag + np.arange(4 * FRAME) % lag] * gain
                    here = slice(0, FRAME)
                out[row, number] = going[here]
                made += 1
                continue
            if made:
                good = out[row, number, :32]
                out[row, number, :32] = going[here][:32] * (1 - ramp) + good * ramp
            made = 0
            history = np.concatenate((history[FRAME:], out[row, number]))
    return out


def _plain_lag(history: NDArray[np.float64]) -> int:
    lags = np.arange(MIN_LAG, MAX_LAG + 1)
    older = sliding_window_view(history, FRAME)[MADE - FRAME - lags]
    likeness = older @ history[-FRAME:] / (np.sqrt(np.sum(older**2, axis=1)) + 1)
    return int(lags[np.argmax(likeness)])


def concealed(frames: Frames, lost: Lost) -> Frames:
    """What the engine does, tick by tick."""
    out, concealment = frames.copy(), Concealment()
    concealment.allocate(len(out))
    for number in range(out.shape[1]):
        missing, here = np.flatnonzero(lost[:, number]), np.flatnonzero(~lost[:, number])
        if len(missing):
            out[missing, number] = concealment.conceal(missing)
        good = out[here, number]
        concealment.remember(here, good)
        out[here, number] = good
    return out


def delayed(frames: Frames, lost: Lost) -> Frames:
    """The same, but the last good quarter of a period is changed as well, as a delay allows."""
    out = frames.copy()
    for row in range(len(out)):
        sound = np.concatenate((np.zeros(HISTORY), out[row].ravel())).astype(np.float32)
        edges = np.flatnonzero(np.diff(np.pad(lost[row], 1).astype(np.int8)))
        for begin, end in (edges * FRAME + HISTORY).reshape(-1, 2).tolist():
            _fill_delayed(sound, begin, end)
        out[row] = np.rint(sound[HISTORY:]).clip(-32_768, 32_767).reshape(-1, FRAME)
    return out


def _fill_delayed(sound: NDArray[np.float32], begin: int, end: int) -> None:
    history = sound[None, begin - HISTORY : begin]
    lag, points = pitch_lags(history), between(history)
    end_of_points = points.shape[1]
    period = np.arange(-MAX_OVERLAP, MAX_OVERLAP) * FINE + end_of_points - int(lag[0])
    around = points[:, period]
    made = np.zeros(end - begin + MADE + MAX_OVERLAP, np.float32)
    made[: MADE + MAX_OVERLAP] = continuation(points, lag, around[:, MAX_OVERLAP:])[0]
    overlap = int(overlaps(lag)[0])
    into = np.arange(1, overlap + 1) / (overlap + 1)
    tail = slice(begin - overlap, begin)
    sound[tail] = sound[tail] * (1 - into) + around[0, MAX_OVERLAP - overlap : MAX_OVERLAP] * into
    sound[begin:end] = made[: end - begin]
    good = sound[end : end + overlap]
    fall = into[: len(good)]
    good[:] = made[end - begin : end - begin + len(good)] * (1 - fall) + good * fall


FILLINGS: dict[str, Filling] = {
    "zeros": zeros,
    "repeat and fade": repeated,
    "concealment": concealed,
    "with delay": delayed,
}


def scored(
    speech: list[NDArray[np.int16]], lost: list[NDArray[np.bool_]], fill: Filling, measure: Measure
) -> NDArray[np.float64]:
    """The score of each clip that lost something."""
    long = max(map(len, speech)) // FRAME
    frames, gone = (
        np.zeros((len(speech), long, FRAME), np.int16),
        np.zeros((len(speech), long), bool),
    )
    for row, (clip, fates) in enumerate(zip(speech, lost, strict=True)):
        frames[row, : len(fates)] = clip.reshape(-1, FRAME)
        gone[row, : len(fates)] = fates
    filled = fill(frames, gone).reshape(len(speech), -1)
    return np.array(
        [
            measure(clip, filled[row, : len(clip)])
            for row, clip in enumerate(speech)
            if gone[row].any()
        ]
    )


def stoi(clean: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """Short-time objective intelligibility, 0 to 1."""
    from pystoi import stoi as measure

    return float(measure(clean.astype(float), heard.astype(float), 8_000))


def measures() -> dict[str, Measure]:
    """The measures that are here."""
    found: dict[str, Measure] = {"STOI": stoi}
    try:
        from pesq import pesq
    except ImportError:
        return found
    found["PESQ"] = lambda clean, heard: float(pesq(8_000, clean, heard, "nb"))
    return found


def cost(rows: int, *, again: bool = False) -> float:
    """µs to conceal a frame of each of `rows` rows, the first or a later one; the best of some."""
    random, concealment = np.random.default_rng(1), Concealment()
    concealment.allocate(rows)
    every, best = np.arange(rows), float("inf")
    for _ in range(20):
        for _ in range(3):
            sound = random.integers(-8_000, 8_000, (rows, FRAME)).astype(np.int16)
            concealment.remember(every, sound)
        if again:
            concealment.conceal(every)
        begin = time.perf_counter()
        concealment.conceal(every)
        best = min(best, time.perf_counter() - begin)
    return best * 1e6


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    speech = clips(voices(), 8)
    print(f"{len(speech)} clips, {seeds} seeds; ± is the standard error against repeat and fade")
    for rate, burst in product(RATES, BURSTS):
        cases = [(clip, seed) for seed in range(seeds) for clip in range(len(speech))]
        pcm = [speech[clip] for clip, _ in cases]
        lost = [
            gilbert_elliott(len(one) // FRAME, rate, burst, 1_000 * seed + clip)
            for one, (clip, seed) in zip(pcm, cases, strict=True)
        ]
        for name, measure in measures().items():
            base = scored(pcm, lost, repeated, measure)
            line = []
            for label, fill in FILLINGS.items():
                score = base if fill is repeated else scored(pcm, lost, fill, measure)
                error = (score - base).std() / len(base) ** 0.5
                line.append(f"{label} {score.mean():.4f}±{error:.4f}")
            print(f"{rate:4.0%} bursts of {burst}  {name}  " + "  ".join(line), flush=True)
    for rows in (1, 20, 50, 400):
        first, later = cost(rows), cost(rows, again=True)
        print(f"{rows:4} rows  first frame {first:6.0f} µs ({first / rows:.1f} a row)", end="")
        print(f"  later {later:5.0f} µs ({later / rows:.1f} a row)")


if __name__ == "__main__":
    main()
