"""Hearing: from the datagrams of one tick to each stream's frames, digits and speech decisions.

Packets are taken in rounds, in each of which a stream has at most one, so that every step is an
array operation over streams. Telephone events and RTCP are few and go packet by packet.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..codecs import g711
from ..codecs.wideband import wideband_codec
from . import comfort
from .comfort import ComfortNoise
from .concealment import Concealment
from .datagrams import AddressBook, Received
from .jitter import FRAME, MAX_PACKET, MAX_WAIT, MIN_WAIT, Frames, JitterBuffer
from .peers import Peers
from .plane import ConfigureStream, Digit, Event, Heard, PeerLocked, StrangerHeard
from .quality import Reception, Tally
from .recorder import Recorder
from .rtp import RtpError, columns
from .rtp.telephone_event import CLOCK_RATE as EVENT_CLOCK
from .rtp.telephone_event import EventAssembler, FinishedDigit
from .sender import CODECS, LAWS
from .speech_gate import SpeechGate
from .streams import Columns, Rows, StreamTable, column
from .tone_keys import ToneKeys
from .wide import WideEar

FRAMES_PER_TICK = 6
EVENT_TAIL_S = 0.04

_SPAN = np.arange(MAX_PACKET)


class Formats(Columns):
    """What the peer's packets may be."""

    law: NDArray[np.int64] = column(np.int64)
    """Codec of the last audio packet, an index into CODECS."""
    agreed_law: NDArray[np.int64] = column(np.int64)
    payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    event_payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    event_clock: NDArray[np.int64] = column(np.int64, default=EVENT_CLOCK)
    samples: NDArray[np.int64] = column(np.int64)
    """Heard so far."""
    packet_at: NDArray[np.float64] = column(np.float64)
    """When the last valid packet came."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Packets of unique rows, one each."""

    rows: Rows
    index: NDArray[np.int64]
    """Where they stand in the batch."""


class Hearing:
    """The stages between the sockets and the conversation."""

    def __init__(
        self,
        table: StreamTable,
        peers: Peers,
        reception: Reception,
        tally: Tally,
        recorder: Recorder,
        book: AddressBook,
    ) -> None:
        self._table = table
        self._peers = peers
        self._reception = reception
        self._tally = tally
        self._recorder = recorder
        self._book = book
        self.formats = Formats()
        self.jitter = JitterBuffer()
        self.concealment = Concealment()
        self.gate = SpeechGate()
        self.tone_keys = ToneKeys()
        self.comfort = ComfortNoise()
        self._assemblers: dict[int, EventAssembler] = {}
        self._wide: dict[int, WideEar] = {}

    def members(self) -> tuple[Columns, ...]:
        """The columns to be grown and reset with the table."""
        return (
            self.formats,
            self.jitter,
            self.concealment,
            self.gate,
            self.tone_keys,
            self.comfort,
        )

    def close(self, row: int) -> None:
        """Forget what is kept outside the columns."""
        self._assemblers.pop(row, None)
        self._wide.pop(row, None)
        self.comfort.reset(row)

    def configure(self, row: int, command: ConfigureStream) -> None:
        """The peer sends as agreed from now on. Raises WidebandUnavailable."""
        formats, law = self.formats, CODECS.index(command.codec)
        if formats.payload_type[row] < 0:
            formats.law[row] = law
        formats.agreed_law[row] = law
        formats.payload_type[row] = command.payload_type
        event = command.event_payload_type
        formats.event_payload_type[row] = -1 if event is None else event
        formats.event_clock[row] = command.event_clock_rate
        known, wide = self._wide.get(row), wideband_codec(command.codec)
        if wide and (known is None or known.codec != wide):
            self._wide[row] = WideEar(wide)

    def receive(self, batch: Received, now: float, offset: float) -> list[Event]:
        """Take RTP datagrams; `offset` is epoch minus monotonic seconds."""
        head = columns.parse(batch.data, batch.length)
        self._tally.add(self._tally.malformed, batch.row[~head.valid])
        events: list[Event] = []
        for round_ in rounds(batch.row, np.flatnonzero(head.valid)):
            events += self._take(round_, batch, head, batch.stamp - offset)
        return events

    def hear(self, rows: Rows, now: float) -> list[Event]:
        """The frames that are due in this tick, as one Heard per stream, and finished digits."""
        self.jitter.tick(rows)
        self._recorder.settle(rows)
        jitter = self._reception.jitter[rows] * 2 / FRAME
        patience = np.clip(np.ceil(jitter).astype(np.int64), MIN_WAIT, MAX_WAIT)
        heard: dict[int, _Stretch] = {}
        digits: list[Event] = []
        for _ in range(FRAMES_PER_TICK):
            frames = self.jitter.frames(rows, now, patience)
            if not len(frames.rows):
                break
            digits += self._keep(frames, heard, now)
        digits += self._keep(self.jitter.silence(rows, now), heard, now)
        events: list[Event] = [self._heard(row, one, now) for row, one in heard.items()]
        events += digits
        for row, assembler in self._assemblers.items():
            if assembler.pending:
                events += self._digits(row, assembler.expire(now), now)
        return events

    def _take(
        self, round_: _Round, batch: Received, head: columns.RtpColumns, at: NDArray[np.float64]
    ) -> list[Event]:
        rows, index = round_.rows, round_.index
        strange = self._peers.strangers(rows, batch.source[index])
        self._tally.add(self._tally.strangers, rows[strange])
        kind = head.payload_type[index]
        law = self._law(rows, kind)
        event = kind == self.formats.event_payload_type[rows]
        noise = kind == comfort.PAYLOAD_TYPE
        known = ((law >= 0) | event | noise) & self._table.active[rows]
        self._tally.add(self._tally.wrong_payload_type, rows[~strange & ~known])
        events: list[Event] = []
        if strange.any():
            events += self._strangers(rows, index, strange & known, batch, at)
        some = np.flatnonzero(~strange & known)
        rows, index = rows[some], index[some]
        accepted, locked = self._peers.learn(
            rows, batch.source[index], head.ssrc[index], head.sequence[index], at[index]
        )
        events += [self._locked(int(row), at) for row in rows[locked]]
        some, rows, index = some[accepted], rows[accepted], index[accepted]
        fresh, newest, restarted = self._reception.note(
            rows, head.ssrc[index], head.sequence[index]
        )
        self.formats.packet_at[rows] = at[index]
        self._silent(rows, index, fresh & noise[some], batch, head)
        audio = fresh & (law[some] >= 0)
        self.formats.law[rows[audio]] = law[some][audio]
        kept = _Round(rows[audio], index[audio])
        self._store(kept, batch, head, at, newest[audio], restarted[audio])
        for one in np.flatnonzero(fresh & event[some]):
            events += self._event(int(rows[one]), int(index[one]), batch, head)
        return events

    def _strangers(
        self,
        rows: Rows,
        index: NDArray[np.int64],
        strange: NDArray[np.bool_],
        batch: Received,
        at: NDArray[np.float64],
    ) -> list[Event]:
        """Tell of strangers that send what only the peer should."""
        rows, index = rows[strange], index[strange]
        new = self._peers.new_strangers(rows, batch.source[index])
        return [
            StrangerHeard(
                self._table.names[int(rows[one])],
                float(at[index[one]]),
                self._book.address(int(batch.source[index[one]])),
            )
            for one in np.flatnonzero(new)
        ]

    def _law(self, rows: Rows, kind: NDArray[np.int64]) -> NDArray[np.int64]:
        """Law of each audio packet, −1 for others. The static numbers always mean their law."""
        law = np.full(len(rows), -1)
        for number, name in enumerate(LAWS):
            law[kind == g711.PAYLOAD_TYPE[name]] = number
        agreed = kind == self.formats.payload_type[rows]
        return np.where(agreed, self.formats.agreed_law[rows], law)

    def _silent(
        self,
        rows: Rows,
        index: NDArray[np.int64],
        some: NDArray[np.bool_],
        batch: Received,
        head: columns.RtpColumns,
    ) -> None:
        """Take comfort noise packets; one that tells no level means silence (RFC 3389 §3.1)."""
        if not some.any():
            return
        rows, index = rows[some], index[some]
        self._tally.add(self._tally.comfort_noise, rows)
        place = np.minimum(head.offset[index], batch.data.shape[1] - 1)
        level = batch.data[index, place].astype(np.int64)
        level[head.size[index] == 0] = comfort.SILENT
        self.comfort.begin(rows, level, head.timestamp[index])

    def _store(
        self,
        round_: _Round,
        batch: Received,
        head: columns.RtpColumns,
        at: NDArray[np.float64],
        newest: NDArray[np.bool_],
        restarted: NDArray[np.bool_],
    ) -> None:
        rows, index = round_.rows, round_.index
        if not len(rows):
            return
        reach = np.minimum(head.offset[index][:, None] + _SPAN, batch.data.shape[1] - 1)
        payload = batch.data[index[:, None], reach]
        size = np.minimum(head.size[index], MAX_PACKET)
        timestamp = head.timestamp[index]
        if self._wide:
            self._put_aside(round_, batch, head, timestamp, payload, size)
        self._reception.measure(rows, timestamp, at[index])
        self._reception.packet_samples[rows] = size
        self._recorder.forget_anchor(rows[restarted])
        late, spoken = self.jitter.write(
            rows,
            timestamp,
            payload,
            size,
            at[index],
            newest=newest,
            restarted=restarted,
        )
        timely = ~late
        self._recorder.arrived(rows[timely], spoken[timely], at[index[timely]])
        if late.any():
            self._tally.add(self._tally.late, rows[late])
            self._reception.discard(rows[late], head.sequence[index[late]])

    def _put_aside(
        self,
        round_: _Round,
        batch: Received,
        head: columns.RtpColumns,
        timestamp: NDArray[np.int64],
        payload: NDArray[np.uint8],
        size: NDArray[np.int64],
    ) -> None:
        """Put tickets in the place of payloads that are not G.711; `timestamp` becomes 8 kHz."""
        wide = self.formats.law[round_.rows] >= len(LAWS)
        for one in np.flatnonzero(wide).tolist():
            row, index = int(round_.rows[one]), int(round_.index[one])
            ear = self._wide[row]
            begin = int(head.offset[index])
            data = batch.data[index, begin : begin + int(head.size[index])].tobytes()
            timestamp[one] = ear.samples_time(int(timestamp[one]))
            size[one] = ear.put_aside(data, payload[one])
            self._tally.malformed[row] += size[one] == 0

    def _event(
        self, row: int, index: int, batch: Received, head: columns.RtpColumns
    ) -> list[Event]:
        begin, size = int(head.offset[index]), int(head.size[index])
        payload = batch.data[index, begin : begin + size].tobytes()
        now = float(self.formats.packet_at[row])
        assembler = self._assemblers.setdefault(row, EventAssembler())
        try:
            digits = assembler.receive(payload, int(head.timestamp[index]), now)
        except RtpError:
            self._tally.malformed[row] += 1
            return []
        self.gate.mask(row, now + FRAME / 8_000 + EVENT_TAIL_S)
        return self._digits(row, digits, now)

    def _digits(self, row: int, digits: list[FinishedDigit], now: float) -> list[Event]:
        name = self._table.names[row]
        scale = self.formats.event_clock[row] / EVENT_CLOCK
        return [Digit(name, now, one.digit, float(one.duration_s / scale)) for one in digits]

    def _locked(self, row: int, at: NDArray[np.float64]) -> PeerLocked:
        address = self._book.address(int(self._peers.remote[row]))
        return PeerLocked(self._table.names[row], float(at.max()), address)

    def _keep(self, frames: Frames, heard: "dict[int, _Stretch]", now: float) -> list[Event]:
        """Decode, conceal, judge and record one frame each of unique rows; gives tones' digits."""
        rows = frames.rows
        if not len(rows):
            return []
        pcm, quiet = self._sound(frames)
        digits = self._tones(rows, pcm, now)
        speech = self.gate.judge(rows, pcm, frames.real, now)
        if quiet.any():
            speech[quiet] = self.gate.speaking[rows[quiet]] = False
        passed = frames.real | frames.lost
        self._recorder.heard(rows, frames.position, pcm, passed)
        for index, row in enumerate(rows.tolist()):
            stretch = heard.setdefault(row, _Stretch([], [], [], now))
            stretch.pcm.append(pcm[index])
            stretch.speech.append(bool(speech[index]))
            stretch.real.append(bool(frames.real[index]))
            if frames.real[index]:
                stretch.arrived = float(frames.arrived[index])
        return digits

    def _sound(self, frames: Frames) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Decode what came, fill what did not; and which frames are silent on purpose."""
        rows = frames.rows
        pcm = np.zeros((len(rows), FRAME), np.int16)
        for number, law in enumerate(LAWS):
            some = frames.real & (self.formats.law[rows] == number)
            if some.any():
                pcm[some] = g711.decode(frames.octets[some], law)
        if self._wide:
            self._decode_wide(frames, pcm)
        quiet = self.comfort.judge(rows, frames.position, frames.real)
        if quiet.any():
            pcm[quiet] = self.comfort.frames(rows[quiet])
        lost = frames.lost & ~quiet
        if lost.any():
            pcm[lost] = self.concealment.conceal(rows[lost])
            self._tally.add(self._tally.concealed, rows[lost])
        good = pcm[frames.real]
        self.concealment.remember(rows[frames.real], good)
        pcm[frames.real] = good
        return pcm, quiet

    def _decode_wide(self, frames: Frames, pcm: NDArray[np.int16]) -> None:
        """Decode what is not G.711; what cannot be decoded is lost."""
        wide = frames.real & (self.formats.law[frames.rows] >= len(LAWS))
        for index in np.flatnonzero(wide).tolist():
            sound = self._wide[int(frames.rows[index])].sound(frames.octets[index])
            if sound is None:
                frames.real[index], frames.lost[index] = False, True
                self._tally.malformed[frames.rows[index]] += 1
            else:
                pcm[index] = sound

    def _tones(self, rows: Rows, pcm: NDArray[np.int16], now: float) -> list[Event]:
        """The keys that end in these frames, where the peer sends no events for them."""
        index = np.flatnonzero(self.formats.event_payload_type[rows] < 0)
        if not len(index):
            return []
        keys, sounding = self.tone_keys.listen(rows[index], pcm[index])
        for row in rows[index[sounding]].tolist():
            self.gate.mask(row, now + EVENT_TAIL_S)
        names = self._table.names
        return [Digit(names[key.row], now, key.digit, key.duration_s, "inband") for key in keys]

    def _heard(self, row: int, stretch: "_Stretch", now: float) -> Heard:
        begin = int(self.formats.samples[row])
        self.formats.samples[row] += FRAME * len(stretch.pcm)
        return Heard(
            stream=self._table.names[row],
            at=now,
            arrived=stretch.arrived,
            sample=begin,
            pcm=np.stack(stretch.pcm),
            speech=tuple(stretch.speech),
            real=tuple(stretch.real),
        )


@dataclass(slots=True)
class _Stretch:
    """What one stream heard in one tick."""

    pcm: list[NDArray[np.int16]]
    speech: list[bool]
    real: list[bool]
    arrived: float


def rounds(row: Rows, index: NDArray[np.int64]) -> list[_Round]:
    """Cut packets into rounds in which no row stands twice, in order within each row."""
    order = index[np.argsort(row[index], kind="stable")]
    sorted_rows = row[order]
    first = np.searchsorted(sorted_rows, sorted_rows)
    turn = np.arange(len(order)) - first
    return [
        _Round(sorted_rows[turn == number], order[turn == number])
        for number in range(int(turn.max(initial=-1)) + 1)
    ]
