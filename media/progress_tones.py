"""Tones of call progress and of fax machines, told by their cadence, for rows that listen.

Each frame is judged together with the one before it (`tone_sets`). What is heard becomes runs: of
one set of tones, or of none. A run of tones outlasts gaps of `BRIDGED` frames, so that lost packets
and phase reversals do not end it. The lengths of the last runs are compared with the cadences when
the next burst begins, so that the pause is known as well; tones that go on, and the third special
information tone, are told while they last. Between tones it must be quiet: speech there spoils a
cadence, which keeps music and talk from ever making one.

Frequencies and cadences: ITU-T E.180 and its Supplement 2 (ringing, busy, congestion, dial tone by
country; special information tone), E.182 (their meaning), T.30 §4 (CNG and CED), V.8 and V.25 (CED
with phase reversals every 450 ms).
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from .plane import ToneKind
from .streams import Columns, Rows, column
from .tone_sets import NONE, SETS, WINDOW, Tones, heard

FRAME = WINDOW // 2
FRAME_S = 0.02
CONFIRMED = 3
"""Windows in a row that begin a run of tones; one or two can err at the edge of a burst."""
BRIDGED = 8
"""Frames without the tones that do not end their run; the shortest pause has ten."""
TOLERANCE = 0.2
"""Of the length of each run."""
FORGOTTEN_S = 5.0
"""After so long without tones a kind may be told again; the longest pause has 4.8 s."""

_KINDS: tuple[ToneKind, ...] = get_args(ToneKind)
_CADENCES: tuple[tuple[ToneKind, Tones, tuple[float, ...]], ...] = (
    ("ringback", "425", (1.0, 4.0)),
    ("ringback", "440+480", (2.0, 4.0)),
    ("ringback", "400+450", (0.4, 0.2, 0.4, 2.0)),
    ("busy", "425", (0.5, 0.5, 0.5, 0.5)),
    ("busy", "480+620", (0.5, 0.5, 0.5, 0.5)),
    ("congestion", "425", (0.25, 0.25, 0.25, 0.25)),
    ("congestion", "480+620", (0.25, 0.25, 0.25, 0.25)),
    ("fax-calling", "1100", (0.5, 3.0)),
)
"""Seconds on and off, in turn."""
_LASTING: tuple[tuple[ToneKind, Tones, float], ...] = (
    ("dial", "425", 2.0),
    ("dial", "350+440", 2.0),
    ("fax-answer", "2100", 2.5),
    ("sit", "1800", 0.26),
)
"""Told as soon as they have lasted so long; CED has 2.6 s at least, of which 0.1 s may be lost."""
_SIT_S = (0.22, 0.44)
"""Of each special information tone: 330 ± 70 ms, and two frames where they meet."""
_PAST = 4
_QUIET = 0.125  # energy of a pause relative to the tones before it: 9 dB less


@dataclass(frozen=True, slots=True)
class Recognised:
    """A pattern that was recognised in a row, and for how long it has been heard."""

    row: int
    kind: ToneKind
    duration_s: float


class ProgressTones(Columns):
    """The run that each row is in, and the ones before it. Lengths are in frames."""

    on: NDArray[np.bool_] = column(np.bool_)
    frame: NDArray[np.int16] = column(np.int16, FRAME, scratch=True)
    lost: NDArray[np.bool_] = column(np.bool_)
    """`frame` was concealed."""
    tones: NDArray[np.int64] = column(np.int64, default=NONE)
    """Of the run, an index into SETS."""
    length: NDArray[np.int64] = column(np.int64)
    missed: NDArray[np.int64] = column(np.int64)
    """Frames at its end without its tones."""
    flaws: NDArray[np.int64] = column(np.int64)
    """Frames before those that do not belong: gaps in tones, sound in pauses."""
    power: NDArray[np.float32] = column(np.float32)
    """Energy of the last window with tones."""
    rival: NDArray[np.int64] = column(np.int64, default=NONE)
    rivals: NDArray[np.int64] = column(np.int64)
    """How many of the last windows in a row held these other tones."""
    past_tones: NDArray[np.int64] = column(np.int64, _PAST, default=NONE)
    past_length: NDArray[np.int64] = column(np.int64, _PAST)
    """The runs before, latest last; 0 where a run had too many flaws."""
    told: NDArray[np.int64] = column(np.int64, default=NONE)
    """Kind, an index into _KINDS, that was told and goes on."""

    def switch(self, row: int, *, on: bool) -> None:
        """Begin to listen, knowing nothing, or end."""
        if self.on[row] != on:
            self.reset(row)
            self.frame[row] = 0
            self.on[row] = on

    def listen(
        self, rows: Rows, pcm: NDArray[np.int16], lost: NDArray[np.bool_]
    ) -> list[Recognised]:
        """Take one frame each of unique rows that listen, shape (rows, 160).

        `lost` frames were concealed: they count for the time and prove nothing.
        """
        windows = heard(np.hstack([self.frame[rows], pcm]).astype(np.float32))
        unsure = lost | self.lost[rows]
        self.frame[rows], self.lost[rows] = pcm, lost
        tones = np.where(unsure, NONE, windows.tones)
        self._grow(rows, tones, windows.energy, unsure)
        begun = self._turn(rows)
        self.told[rows[(self.tones[rows] == NONE) & (self.length[rows] >= _FORGOTTEN)]] = NONE
        return [*self._cadences(begun), *self._lasting(rows)]

    def _grow(
        self,
        rows: Rows,
        tones: NDArray[np.int64],
        energy: NDArray[np.float32],
        unsure: NDArray[np.bool_],
    ) -> None:
        """Add one window to the run of each row."""
        own = self.tones[rows]
        sounding = own != NONE
        fits = sounding & (tones == own)
        loud = ~sounding & ~unsure & (energy > self.power[rows] * _QUIET)
        missed = self.missed[rows]
        self.length[rows] += 1
        self.flaws[rows] += np.where(fits, missed, loud)
        self.missed[rows] = np.where(sounding & ~fits, missed + 1, 0)
        other = (tones != NONE) & (tones != own)
        again = other & (tones == self.rival[rows])
        rivals = np.where(again, self.rivals[rows] + 1, other)
        self.rivals[rows] = np.where(unsure, self.rivals[rows], rivals)
        self.rival[rows] = np.where(unsure, self.rival[rows], np.where(other, tones, NONE))
        self.power[rows] = np.where(tones != NONE, energy, self.power[rows])

    def _turn(self, rows: Rows) -> Rows:
        """End the runs that are over; gives the rows in which tones began."""
        begins = self.rivals[rows] >= CONFIRMED
        ends = ~begins & (self.missed[rows] > BRIDGED)
        begun, ended = rows[begins], rows[ends]
        after = np.where(self.tones[begun] == NONE, self.rivals[begun], self.missed[begun])
        self._keep(begun, after)
        self.tones[begun], self.length[begun] = self.rival[begun], self.rivals[begun]
        after = self.missed[ended]
        self._keep(ended, after)
        self.tones[ended], self.length[ended] = NONE, after
        turned = rows[begins | ends]
        self.missed[turned] = self.flaws[turned] = self.rivals[turned] = 0
        self.rival[turned] = NONE
        return begun

    def _keep(self, rows: Rows, after: NDArray[np.int64]) -> None:
        """Make the run of each row, less the `after` frames of the next one, a past one."""
        length = self.length[rows] - after
        good = self.flaws[rows] * 4 <= length + 8
        for past, last in (
            (self.past_tones, self.tones[rows]),
            (self.past_length, np.where(good, length, 0)),
        ):
            past[rows, :-1] = past[rows, 1:]
            past[rows, -1] = last

    def _cadences(self, rows: Rows) -> list[Recognised]:
        """What the past runs of rows in which a burst began make up with it."""
        if not len(rows):
            return []
        length, tones = self.past_length[rows, None], self.past_tones[rows, None]
        match = (length >= _LEAST) & (length <= _MOST)
        match &= (tones == _PATTERN) | (_PATTERN == _ANY)
        complete = match.all(axis=2) & (self.tones[rows, None] == _CADENCE_TONES)
        found: list[Recognised] = []
        for index, cadence in np.argwhere(complete).tolist():
            kind, _, times = _CADENCES[cadence]
            row = rows[index]
            frames = self.past_length[row, -len(times) :].sum() + self.length[row]
            found += self._tell(int(row), kind, int(frames))
        return found

    def _lasting(self, rows: Rows) -> list[Recognised]:
        """What has sounded for long enough."""
        tones, length = self.tones[rows], self.length[rows]
        long = (self.missed[rows] == 0) & (length >= _ENOUGH[tones])
        long &= (self.flaws[rows] * 4 <= length) & (self.told[rows] != _ENOUGH_KIND[tones])
        found: list[Recognised] = []
        for row in rows[long].tolist():
            kind, frames = _KINDS[_ENOUGH_KIND[self.tones[row]]], int(self.length[row])
            if kind == "sit":
                if not self._after_two(row):
                    continue
                frames += int(self.past_length[row, -2:].sum())
            found += self._tell(row, kind, frames)
        return found

    def _after_two(self, row: int) -> bool:
        """Whether the first two special information tones came before this one."""
        length = self.past_length[row, -2:]
        in_time = (length >= _SIT_LEAST) & (length <= _SIT_MOST)
        return bool(in_time.all() and (self.past_tones[row, -2:] == _SIT).all())

    def _tell(self, row: int, kind: ToneKind, frames: int) -> list[Recognised]:
        number = _KINDS.index(kind)
        if self.told[row] == number:
            return []
        self.told[row] = number
        return [Recognised(row, kind, frames * FRAME_S)]


def _limits() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Least and most frames, and tones, of the past runs, each of shape (cadences, past runs)."""
    shape = (len(_CADENCES), _PAST)
    least, most = np.zeros(shape, np.int64), np.full(shape, np.iinfo(np.int64).max)
    pattern = np.full(shape, _ANY)
    for number, (_, tones, times) in enumerate(_CADENCES):
        frames = np.array(times) / FRAME_S
        least[number, -len(times) :] = np.floor(frames * (1 - TOLERANCE) + 1e-6)
        most[number, -len(times) :] = np.ceil(frames * (1 + TOLERANCE) - 1e-6)
        pattern[number, -len(times) :] = [SETS.index(tones), NONE] * (len(times) // 2)
    return least, most, pattern


_ANY = NONE - 1
_LEAST, _MOST, _PATTERN = _limits()
_CADENCE_TONES = np.array([SETS.index(tones) for _, tones, _ in _CADENCES])
_FORGOTTEN = round(FORGOTTEN_S / FRAME_S)
_SIT = [SETS.index("950"), SETS.index("1400")]
_SIT_LEAST, _SIT_MOST = (round(seconds / FRAME_S) for seconds in _SIT_S)
_ENOUGH = np.full(len(SETS) + 1, np.iinfo(np.int64).max)
_ENOUGH_KIND = np.full(len(SETS) + 1, NONE)
for _kind, _tones, _seconds in _LASTING:
    _ENOUGH[SETS.index(_tones)] = round(_seconds / FRAME_S)
    _ENOUGH_KIND[SETS.index(_tones)] = _KINDS.index(_kind)
