"""Keys heard as tones: DTMF in the audio of streams whose peer sends no RTP events (Q.24).

Each half frame (10 ms) is correlated with the eight frequencies, all rows in one matrix product;
two halves in a row make a window of 20 ms. A window holds a key if one low and one high frequency
make up nearly all of its energy, neither far louder than the other, and both really have the
frequency of the key, which the phases of the two halves tell. A key counts after `HITS` windows and
is told once, when `MISSES` windows have shown nothing of it. Speech has harmonics, so its energy is
never that concentrated for that long.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..codecs.tones import DTMF, RATE
from .streams import Columns, Rows, column

HALF = 80
HITS = 2
"""Windows in a row; a tone of 40 ms fills two, wherever it begins."""
MISSES = 3
"""Windows in a row that end a key; a gap of 40 ms spoils four."""
PURITY = 0.80
"""Share of the energy that the two tones must have."""
TWIST_DB = 14.0
"""Most that one tone may be louder than the other."""
MIN_DBM0 = -34.0
"""The louder tone must reach this."""
TOLERANCE = 0.025
"""Of the frequency: 1.5 % must pass, 3.5 % must not."""

_LOW = sorted({low for low, _ in DTMF.values()})
_HIGH = sorted({high for _, high in DTMF.values()})
_FREQUENCIES = np.array(_LOW + _HIGH, np.float64)
_KEYS = [key for low in _LOW for high in _HIGH for key, pair in DTMF.items() if pair == (low, high)]
_ANGLE = 2 * np.pi * _FREQUENCIES / RATE
_WAVES = np.exp(-1j * np.outer(np.arange(HALF), _ANGLE))
_BASIS = np.hstack([_WAVES.real, _WAVES.imag]).astype(np.float32)
_TURN = np.exp(-1j * HALF * _ANGLE).astype(np.complex64)
_LEAK = _WAVES.conj().T @ _WAVES / HALF
"""What a tone of one frequency (first axis) leaves at another (second), in half a frame."""
_MIRROR = _WAVES.T @ _WAVES / HALF
"""The same of its negative frequency."""
_FULL_DBM0 = 3.14  # of a sine that reaches full scale
_FLOOR = 32_768.0**2 / 2 * 10 ** ((MIN_DBM0 - _FULL_DBM0) / 10)
_TWIST = 10 ** (TWIST_DB / 10)
_NONE = -1


@dataclass(frozen=True, slots=True)
class ToneKey:
    """A key that was pressed and let go."""

    row: int
    digit: str
    duration_s: float


class ToneKeys(Columns):
    """What each row's last half frame held, and which key is down."""

    waves: NDArray[np.complex64] = column(np.complex64, len(_FREQUENCIES))
    energy: NDArray[np.float32] = column(np.float32)
    key: NDArray[np.int64] = column(np.int64, default=_NONE)
    hits: NDArray[np.int64] = column(np.int64)
    misses: NDArray[np.int64] = column(np.int64)

    def listen(self, rows: Rows, pcm: NDArray[np.int16]) -> tuple[list[ToneKey], NDArray[np.bool_]]:
        """Take one frame each of unique rows, shape (rows, 160).

        Gives the keys that were let go, and in which rows a tone is on.
        """
        halves = pcm.reshape(-1, HALF).astype(np.float32)
        parts = halves @ _BASIS
        waves = (parts[:, :8] + 1j * parts[:, 8:]).reshape(len(rows), 2, 8)
        energy = np.einsum("ij,ij->i", halves, halves).reshape(len(rows), 2)
        finished: list[ToneKey] = []
        sounding = np.zeros(len(rows), np.bool_)
        for half in range(2):
            key = _key(self.waves[rows], waves[:, half], self.energy[rows] + energy[:, half])
            self.waves[rows], self.energy[rows] = waves[:, half], energy[:, half]
            finished += self._follow(rows, key)
            sounding |= key != _NONE
        return finished, sounding

    def _follow(self, rows: Rows, key: NDArray[np.int64]) -> list[ToneKey]:
        """Advance every row by one window, in which `key` was heard."""
        before, hits = self.key[rows], self.hits[rows]
        down = hits >= HITS
        same = (key == before) & (key != _NONE)
        missed = down & ~same
        misses = np.where(missed, self.misses[rows] + 1, 0)
        over = misses >= MISSES
        finished = [
            ToneKey(int(rows[one]), _KEYS[int(before[one])], (int(hits[one]) + 1) * HALF / RATE)
            for one in np.flatnonzero(over)
        ]
        kept = same | (missed & ~over)
        self.key[rows] = np.where(kept, before, key)
        self.hits[rows] = np.where(same, hits + 1, np.where(kept, hits, key != _NONE))
        self.misses[rows] = np.where(over, 0, misses)
        return finished


def _key(
    first: NDArray[np.complex64], second: NDArray[np.complex64], energy: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The key in each window, an index into `_KEYS`, or −1."""
    whole = first + second * _TURN
    power = whole.real**2 + whole.imag**2
    low, high = np.argmax(power[:, :4], axis=1), 4 + np.argmax(power[:, 4:], axis=1)
    pair = np.stack([low, high], axis=1)
    first, second = _apart(first, pair), _apart(second, pair) * _TURN[pair]
    whole = first + second
    power = whole.real**2 + whole.imag**2
    off = np.angle(second * first.conj()) * RATE / (2 * np.pi * HALF)  # Hz beside the nominal
    # A tone beside the nominal frequency shows less power there: put back what is missing.
    strength = power / np.sinc(off * 2 * HALF / RATE) ** 2 / (2 * HALF) ** 2
    heard = 2 * strength.sum(axis=1) * 2 * HALF
    louder, softer = strength.max(axis=1) * 2, strength.min(axis=1) * 2
    good = (heard >= PURITY * energy) & (louder >= _FLOOR) & (louder <= softer * _TWIST)
    good &= (np.abs(off) <= TOLERANCE * _FREQUENCIES[pair]).all(axis=1)
    return np.where(good, low * 4 + high - 4, _NONE)


def _apart(waves: NDArray[np.complex64], pair: NDArray[np.int64]) -> NDArray[np.complex64]:
    """The waves at both frequencies of each row's pair, less what the other one leaves there."""
    own = np.take_along_axis(waves, pair, axis=1)
    other, swapped = own[:, ::-1], pair[:, ::-1]
    leak = other * _LEAK[swapped, pair] + other.conj() * _MIRROR[swapped, pair]
    left: NDArray[np.complex64] = own - leak
    return left
