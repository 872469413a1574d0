"""Speaking: from what each stream is to say to the packets of one tick, the mirror of hearing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from . import plane
from .keys import KeyFrame, Keys
from .playout import Playout, Spoken
from .rtp.columns import HEADER_SIZE
from .sender import Sender
from .streams import Columns, Rows, StreamTable

ROOM_TICKS = 5
"""How often a playing stream tells how far it has come."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """The packets of one tick, at most one of each row, and the sound that is in them."""

    rows: Rows
    data: NDArray[np.uint8]
    length: NDArray[np.int64]
    pcm: NDArray[np.int16]
    events: list[plane.Event]


class Speaking:
    """The stages between the conversation and the sockets."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.keys = Keys()
        self.sender = Sender()
        self._ticks = 0

    def members(self) -> tuple[Columns, ...]:
        """The columns to be grown and reset with the table."""
        return (self.playout, self.keys, self.sender)

    def open(self, row: int, entropy: Entropy) -> None:
        """Give the row its random starting numbers."""
        self.sender.open(row, entropy)

    def handle(self, row: int, command: plane.Command, now: float) -> list[plane.Event]:
        """Carry out a command that says what a stream is to send."""
        stream, playout = command.stream, self.playout
        match command:
            case plane.Play(generation=generation, pcm=pcm):
                playout.play(row, generation, pcm)
            case plane.EndPlay(generation=generation):
                playout.end(row, generation)
            case plane.Resume(generation=generation, rewind=rewind):
                playout.resume(row, generation, rewind)
            case plane.Pause(generation=generation):
                left = playout.pause(row, generation)
                return [] if left is None else [plane.Paused(stream, generation, now, left)]
            case plane.Flush(generation=generation):
                left = playout.flush(row, generation)
                return [] if left is None else [plane.Flushed(stream, generation, now, left)]
            case plane.SendDigits():
                if not self.keys.press(row, command):
                    return [plane.DigitsSent(stream, now, "")]
        return []

    def speak(self, table: StreamTable, rows: Rows, now: float) -> Utterance:
        """The packets of `rows`, those of the streams that may send."""
        self._ticks += 1
        busy = self.keys.busy[rows]
        spoken = self.playout.frame(rows, busy)
        events = self._told(table, rows, spoken, now)
        pressed: dict[int, KeyFrame] = {}
        if self.keys.pressing:
            pressed = self._press(table, rows, spoken, now, events)
        pcm, active = spoken.pcm, spoken.active
        noise = np.zeros(0, np.bool_)
        if self.sender.comforting:
            resting, noise = self.sender.rests(rows, active | busy)
            sent = ~resting
            rows, pcm, active, noise = rows[sent], pcm[sent], active[sent], noise[sent]
        data, length = self.sender.packets_of(rows, pcm, active)
        for row, frame in pressed.items():
            if frame.event is not None:
                index = int(np.searchsorted(rows, row))
                length[index] = self.sender.turn_into_event(
                    row, data[index], frame.event, first=frame.first
                )
        for index in np.flatnonzero(noise).tolist():
            length[index] = self.sender.turn_into_comfort(int(rows[index]), data[index])
        self.sender.octets[rows] += length - HEADER_SIZE
        return Utterance(rows, data, length, pcm, events)

    def _press(
        self,
        table: StreamTable,
        rows: Rows,
        spoken: Spoken,
        now: float,
        events: list[plane.Event],
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

    def _told(
        self, table: StreamTable, rows: Rows, spoken: Spoken, now: float
    ) -> list[plane.Event]:
        """What the conversation is told of its generations."""
        events: list[plane.Event] = []
        playout = self.playout
        for row in spoken.began.tolist():
            generation = int(playout.generation[row])
            events.append(plane.PlayStarted(table.names[row], generation, now))
        for row in spoken.ended.tolist():
            generation, left = int(playout.generation[row]), int(playout.furthest[row])
            events.append(plane.Played(table.names[row], generation, now, left))
        if self._ticks % ROOM_TICKS == 0:
            for row in rows[spoken.active].tolist():
                generation, read = int(playout.generation[row]), int(playout.read[row])
                events.append(plane.Room(table.names[row], generation, read))
        return events
