"""How well and how fast the embedded recogniser hears, and the embedded voice speaks.

    .venv/bin/python bench/offline_stt.py

Renders the sentences of tests/providers/sentences.txt with every synthesiser of this machine,
sends them through G.711 µ-law, and compares the three ways to listen: the whole-phrase grammar
alone, the free trigram model alone, and the two together, as calls use them. Times come from one
worker process as calls use it.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aywa.codecs import g711  # noqa: E402 - the checkout's own packages
from aywa.providers.offline.engines import FLITE_VOICES, Engine, Espeak, Flite  # noqa: E402
from aywa.providers.offline.recogniser import (  # noqa: E402
    Recogniser,
    pronouncing_dictionary,
    write_vocabulary,
)
from aywa.providers.offline.stt import OfflineSpeechToText, Recognition  # noqa: E402
from aywa.providers.offline.tts import OfflineTextToSpeech  # noqa: E402
from aywa.providers.offline.vocabulary import UNINTELLIGIBLE, Vocabulary  # noqa: E402
from aywa.providers.offline.words import distance  # noqa: E402
from aywa.providers.offline.workers import RecognitionSettings  # noqa: E402
from aywa.providers.protocols import Pcm  # noqa: E402

SENTENCES = ROOT / "tests" / "providers" / "sentences.txt"
DIGITS_AFTER = "my number is "
Mode = Callable[[str, str, Vocabulary], str]

MODES: dict[str, Mode] = {
    "grammar": lambda strict, _, __: strict,
    "trigrams": lambda _, free, __: free,
    "together": lambda strict, free, vocabulary: vocabulary.understand(strict, free)[0],
}


def sentences() -> tuple[list[str], list[str]]:
    """The sentences of the script, and those outside it."""
    inside, outside = SENTENCES.read_text().split("\n\n")
    return tuple([s for s in part.splitlines() if s and s[0] != "#"] for part in (inside, outside))


def phrases(inside: list[str]) -> list[str]:
    """The script's phrases."""
    plain = [s for s in inside if not s.startswith(DIGITS_AFTER)]
    return [*plain, DIGITS_AFTER + "{digits}"]


def on_the_line(engine: Engine, text: str, noise_db: float | None) -> Pcm:
    """A sentence as it comes from a telephone: silence, speech, silence; in white noise or not."""
    quiet = np.zeros(2_400, np.int16)
    pcm = np.concatenate((quiet, engine.render(text).pcm, quiet)).astype(np.float64)
    if noise_db is not None:
        level = 32_768 * 10 ** ((-20 - noise_db) / 20)
        pcm += np.random.default_rng(1).normal(0, level, len(pcm))
    return g711.decode(g711.encode(np.clip(pcm, -32_768, 32_767).astype(np.int16), "pcmu"), "pcmu")


def hear(recogniser: Recogniser, pcm: Pcm) -> tuple[str, str]:
    """What the two decoders hear."""
    recogniser.begin(0)
    for start in range(0, len(pcm), 160):
        recogniser.feed(pcm[start : start + 160])
    recogniser.finish()
    return recogniser.heard


def accuracy(folder: Path, vocabulary: Vocabulary, voices: dict[str, Engine]) -> None:
    """Print the table of voices and modes."""
    inside, outside = sentences()
    recogniser = Recogniser(folder)
    print(f"{'voice':10}{'line':>10}{'mode':>10}{'WER %':>8}{'right %':>9}{'false accept %':>16}")
    for noise_db in (None, 20.0):
        line = "clean" if noise_db is None else f"{noise_db:g} dB"
        for voice, engine in voices.items():
            heard = [hear(recogniser, on_the_line(engine, s, noise_db)) for s in inside]
            false = [hear(recogniser, on_the_line(engine, s, noise_db)) for s in outside]
            for name, mode in MODES.items():
                texts = [mode(*pair, vocabulary).replace(UNINTELLIGIBLE, "") for pair in heard]
                pairs = list(zip(texts, inside, strict=True))
                wrong = sum(distance(t.split(), s.split()) for t, s in pairs)
                wer = 100 * wrong / sum(len(s.split()) for s in inside)
                right = 100 * sum(t == s for t, s in pairs) / len(inside)
                accepted = [vocabulary.contains(tuple(mode(*p, vocabulary).split())) for p in false]
                share = 100 * sum(accepted) / len(outside)
                print(f"{voice:10}{line:>10}{name:>10}{wer:8.1f}{right:9.0f}{share:16.1f}")


async def speed(script: list[str], engine: Engine) -> None:
    """Print the times of one worker process under one stream in real time order."""
    inside, _ = sentences()
    began = time.perf_counter()
    recognition = Recognition(RecognitionSettings())
    await recognition.start(script)
    worker = recognition.workers[0]
    print(f"worker warm after {time.perf_counter() - began:.2f} s, {worker.memory / 1e6:.0f} MB")
    waits, audio_s, before = [], 0.0, _cpu_s(worker.pid)
    async with OfflineSpeechToText(recognition, script).open() as stream:
        answers = aiter(stream)
        for text in inside * 3:
            pcm = on_the_line(engine, text, None)[:-2_000]
            audio_s += len(pcm) / 8_000
            for start in range(0, len(pcm), 160):
                stream.send(pcm[start : start + 160])
                await asyncio.sleep(0.002)  # ten times as fast as a call
            asked = time.perf_counter()
            stream.finalize()
            async for transcript in answers:
                if transcript.from_finalize:
                    break
            waits.append(1_000 * (time.perf_counter() - asked))
    share = (_cpu_s(worker.pid) - before) / audio_s
    await recognition.close()
    median, worst = np.percentile(waits, (50, 99))
    print(f"finalize to final: p50 {median:.1f} ms, p99 {worst:.1f} ms ({len(waits)} sentences)")
    print(f"CPU real-time factor while speaking: {share:.3f}")


def _cpu_s(pid: int | None) -> float:
    """CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def synthesis(voices: dict[str, Engine]) -> None:
    """Print the times to the first audio."""
    inside, outside = sentences()
    for name, engine in voices.items():
        tts = OfflineTextToSpeech(engine)
        for state in ("cold", "cached"):
            waits = []
            for text in inside + outside:
                asked = time.perf_counter()
                stream = tts.speak(text)
                await anext(stream)
                waits.append(1_000 * (time.perf_counter() - asked))
                await stream.aclose()
            print(f"first audio, {name}, {state}: p50 {np.median(waits):.2f} ms")
        tts.close()


def main() -> None:
    """Print everything."""
    voices: dict[str, Engine] = {voice: Flite(voice) for voice in FLITE_VOICES}
    if program := shutil.which("espeak-ng"):
        voices["espeak-ng"] = Espeak(program)
    script = phrases(sentences()[0])
    vocabulary = Vocabulary.build(script, pronouncing_dictionary())
    with tempfile.TemporaryDirectory() as folder:
        write_vocabulary(vocabulary, Path(folder))
        accuracy(Path(folder), vocabulary, voices)
    asyncio.run(speed(script, voices[FLITE_VOICES[0]]))
    asyncio.run(synthesis(voices))


if __name__ == "__main__":
    main()
