import numpy as np

from aywa.providers.offline.gate import FRAME, SpeechGate
from aywa.providers.protocols import Pcm

RANDOM = np.random.default_rng(7)


def noise(level: float, frames: int) -> Pcm:
    return RANDOM.normal(0, level, (frames, FRAME)).astype(np.int16)


def run(gate: SpeechGate, frames: Pcm) -> list[bool]:
    return [gate.feed(frame) for frame in frames]


def test_speech_opens_it_and_silence_closes_it() -> None:
    gate = SpeechGate(0.4)
    assert not any(run(gate, noise(5, 50)))
    assert run(gate, noise(2_000, 25)).index(True) == 2
    tail = run(gate, noise(5, 30))
    assert tail.index(False) == 19
    assert gate.loud_frames == 25


def test_a_click_does_not_open_it() -> None:
    gate = SpeechGate(0.4)
    assert not any(run(gate, np.concatenate((noise(5, 20), noise(8_000, 2), noise(5, 20)))))


def test_a_steady_hum_closes_it_in_the_end() -> None:
    gate = SpeechGate(0.4)
    run(gate, noise(5, 50))
    assert any(run(gate, noise(300, 50)))
    run(gate, noise(300, 1_500))
    assert not gate.open


def test_digital_silence_is_silence() -> None:
    assert not any(run(SpeechGate(0.4), np.zeros((100, FRAME), np.int16)))
