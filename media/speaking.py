"""Speaking: from what each stream is to say to the packets of one tick, the mirror of hearing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from . import plane
from .bridges import Bridges
from .keys import KeyFrame, Keys
from .marks import Marks
from .pacing import Pacing
from .playout import ROOM_TICKS, Playout, Spoken
from .rtp.columns import HEADER_SIZE
from .sender import LAWS, Sender
from .streams import Columns, Rows, StreamTable

PTIME_MS = 20


@dataclass(frozen=True, slots=True)
class Packets:
    """Packets to be sent, at most one of each row."""

    rows: Rows
    data: NDArray[np.uint8]
    length: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the rows say in one tick: one frame each, and the packets that leave."""

    rows: Rows
    pcm: NDArray[np.int16]
    active: NDArray[np.bool_]
    """Whose frame is not silent."""
    packets: list[Packets]
    events: list[plane.Told]


class Speaking:
    """The stages between the conversation and the sockets."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.bridges = Bridges()
        self.marks = Marks()
        self.keys = Keys()
        self.pacing = Pacing()
        self.sender = Sender()
        self._ticks = 0

    def members(self) -> tuple[Columns, ...]:
        """The columns to be grown and reset with the table."""
        return (self.playout, self.keys, self.pacing, self.sender, *self.bridges.members())

    def open(self, row: int, entropy: Entropy) -> None:
        """Give the row its random starting numbers."""
        self.sender.open(row, entropy)

    def close(self, row: int) -> None:
        """Forget what is kept outside the columns."""
        self.bridges.leave(row)
        self.marks.forget(row)
        for columns in self.members():
            columns.reset(row)

    def configure(self, row: int, command: plane.ConfigureStream) -> None:
        """Apply what was agreed. Raises WidebandUnavailable."""
        self.sender.speak(row, command)
        narrow = command.codec in LAWS
        self.pacing.agree(row, command.ptime_ms if narrow else PTIME_MS)

    def handle(self, row: int, command: plane.Command, now: float) -> list[plane.Event]:
        """Carry out a command that says what a stream is to send."""
        playout = self.playout
        match command:
            case plane.Play(generation=generation, pcm=pcm):
                playout.play(row, generation, pcm)
            case plane.EndPlay(generation=generation):
                playout.end(row, generation)
            case plane.Resume(generation=generation, rewind=rewind):
                playout.resume(row, generation, rewind)
            case plane.Pause() | plane.Flush():
                return self._stop(row, command, now)
            case plane.Mark():
                self.marks.put(row, command)
            case plane.SendDigits():
                if not self.keys.press(row, command):
                    return [plane.DigitsSent(command.stream, now, "")]
        return []

    def _stop(self, row: int, command: plane.Pause | plane.Flush, now: float) -> list[plane.Event]:
        stream, generation = command.stream, command.generation
        if isinstance(command, plane.Pause):
            left = self.playout.pause(row, generation)
            return [] if left is None else [plane.Paused(stream, generation, now, left)]
        left = self.playout.flush(row, generation)
        return [] if left is None else [plane.Flushed(stream, generation, now, left)]

    def speak(self, table: StreamTable, rows: Rows, now: float) -> Utterance:
        """The packets of `rows`, those of the streams that may send."""
        self._ticks += 1
        busy = self.keys.busy[rows]
        spoken = self.playout.frame(rows, busy)
        pcm, active = spoken.pcm, spoken.active
        events = self._told(table, rows, spoken, now)
        self.bridges.mix(rows, pcm, active)
        pressed: dict[int, KeyFrame] = {}
        if self.keys.pressing:
            pressed = self._press(table, rows, spoken, now, events)
        sent: list[Packets] = []
        if self.sender.comforting or self.pacing.rows:
            whole, noise = self._part(rows, pcm, active, busy, pressed, sent)
            packets = self._whole(rows[whole], pcm[whole], active[whole], noise, pressed)
        else:
            packets = self._whole(rows, pcm, active, rows[:0], pressed)
        sent.append(packets)
        for packets in sent:
            self.sender.octets[packets.rows] += packets.length - HEADER_SIZE
        return Utterance(rows, pcm, active, sent, events)

    def _whole(
        self,
        rows: Rows,
        pcm: NDArray[np.int16],
        active: NDArray[np.bool_],
        noise: Rows,
        pressed: dict[int, KeyFrame],
    ) -> Packets:
        """One packet of each row, ascending; those of digits and of comfort noise are made anew."""
        data, length = self.sender.packets_of(rows, pcm, active)
        for row, frame in pressed.items():
            if frame.event is not None:
                index = int(np.searchsorted(rows, row))
                length[index] = self.sender.turn_into_event(
                    row, data[index], frame.event, first=frame.first
                )
        for row in noise.tolist():
            index = int(np.searchsorted(rows, row))
            length[index] = self.sender.turn_into_comfort(row, data[index])
        return Packets(rows, data, length)

    def _part(
        self,
        rows: Rows,
        pcm: NDArray[np.int16],
        active: NDArray[np.bool_],
        busy: NDArray[np.bool_],
        pressed: dict[int, KeyFrame],
        sent: list[Packets],
    ) -> tuple[NDArray[np.bool_], Rows]:
        """Put packets that are not of one frame into `sent`.

        Gives which rows send one packet of one frame, and which of those send comfort noise.
        """
        resting, noise = self.sender.rests(rows, active | busy)
        self.pacing.forget(rows[resting | noise])
        keyed = [row for row, frame in pressed.items() if frame.event is not None]
        paced = np.isin(rows, list(self.pacing.rows)) & ~np.isin(rows, keyed) & ~resting & ~noise
        for piece in self.pacing.pieces(rows[paced], pcm[paced], active[paced]):
            made = self.sender.packets_of(piece.rows, piece.pcm, piece.active, piece.offset)
            sent.append(Packets(piece.rows, *made))
        return ~resting & ~paced, rows[noise]

    def _press(
        self,
        table: StreamTable,
        rows: Rows,
        spoken: Spoken,
        now: float,
        events: list[plane.Told],
    ) -> dict[int, KeyFrame]:
        """Put the digits' tones into the sound; gives what is sent, by row."""
        pressed = {}
        for index in np.flatnonzero(self.keys.busy[rows]).tolist():
            row = int(rows[index])
            able = bool(self.sender.event_payload_type[row] >= 0)
            frame, finished = self.keys.frame(row, events=able)
            pressed[row] = frame
            spoken.pcm[index], spoken.active[index] = frame.pcm, frame.sounds
            if finished is not None:
                events.append(plane.DigitsSent(table.names[row], now, finished))
        return pressed

    def _told(self, table: StreamTable, rows: Rows, spoken: Spoken, now: float) -> list[plane.Told]:
        """What the conversation is told of its generations."""
        events: list[plane.Told] = []
        playout = self.playout
        for row in spoken.began.tolist():
            generation = int(playout.generation[row])
            events.append(plane.PlayStarted(table.names[row], generation, now))
        for row in spoken.ended.tolist():
            generation, left = int(playout.generation[row]), int(playout.furthest[row])
            events.append(plane.Played(table.names[row], generation, now, left))
        events += self.marks.reached(playout, now)
        # Not all streams in the same tick: every tick shall cost the same.
        due = rows[spoken.active & (rows % ROOM_TICKS == self._ticks % ROOM_TICKS)]
        if len(due):
            names, generation = table.names_of(due), playout.generation[due]
            events.append(plane.RoomBatch(names, generation, playout.read[due]))
        return events
