"""Hearing: from the datagrams of one tick to each stream's frames, digits and speech decisions.

`intake.py` puts what came into the jitter buffer; here the frames that are due come out of it and
are decoded, concealed, judged and recorded, all streams at once.
"""

import numpy as np
from numpy.typing import NDArray

from ..codecs import g711
from ..codecs.wideband import wideband_codec
from .bridges import Bridges
from .comfort import ComfortNoise
from .concealment import Concealment
from .datagrams import Received
from .drift import Drift
from .formats import Formats
from .heard import HeardFrames, gather
from .intake import EVENT_TAIL_S, Intake, Line
from .jitter import FRAME, MAX_WAIT, MIN_WAIT, Frames, JitterBuffer
from .plane import ConfigureStream, Digit, Event, ProgressTone, Told
from .progress_tones import ProgressTones
from .recorder import Recorder
from .sender import LAWS
from .speech_gate import SpeechGate
from .streams import Columns, Rows, StreamTable
from .tone_keys import ToneKeys
from .wide import WideEar

FRAMES_PER_TICK = 6


class Hearing:
    """The stages between the sockets and the conversation."""

    def __init__(
        self, table: StreamTable, line: Line, recorder: Recorder, bridges: Bridges
    ) -> None:
        self._table = table
        self._bridges = bridges
        self._reception = line.reception
        self._tally = line.tally
        self._recorder = recorder
        self.formats = Formats()
        self.jitter = JitterBuffer()
        self.concealment = Concealment()
        self.gate = SpeechGate()
        self.tone_keys = ToneKeys()
        self.progress_tones = ProgressTones()
        self.comfort = ComfortNoise()
        self.drift = Drift()
        self._intake = Intake(
            table,
            line,
            formats=self.formats,
            jitter=self.jitter,
            comfort=self.comfort,
            gate=self.gate,
            recorder=recorder,
        )
        self._wide = self._intake.wide

    def members(self) -> tuple[Columns, ...]:
        """The columns to be grown and reset with the table."""
        return (
            self.formats,
            self.jitter,
            self.concealment,
            self.gate,
            self.tone_keys,
            self.progress_tones,
            self.comfort,
            self.drift,
        )

    def close(self, row: int) -> None:
        """Forget what is kept outside the columns."""
        self._intake.close(row)
        self.comfort.reset(row)

    def configure(self, row: int, command: ConfigureStream) -> None:
        """The peer sends as agreed from now on. Raises WidebandUnavailable."""
        self.formats.agree(row, command)
        known, wide = self._wide.get(row), wideband_codec(command.codec)
        if wide and (known is None or known.codec != wide):
            self._wide[row] = WideEar(wide)

    def receive(self, batch: Received, now: float, offset: float) -> list[Event]:
        """Take RTP datagrams; `offset` is epoch minus monotonic seconds."""
        return self._intake.receive(batch, now, offset)

    def hear(self, rows: Rows, now: float) -> list[Told]:
        """The frames that are due in this tick, as one event, finished digits, and tones."""
        self.jitter.tick(rows)
        self._recorder.settle(rows)
        jitter = self._reception.jitter[rows] * 2 / FRAME
        patience = np.minimum(np.maximum(np.ceil(jitter), MIN_WAIT), MAX_WAIT)
        heard: list[HeardFrames] = []
        tones: list[Event] = []
        for _ in range(FRAMES_PER_TICK):
            frames = self.jitter.frames(rows, now, patience)
            if not len(frames.rows):
                break
            tones += self._keep(frames, heard, now)
        silence = self.jitter.silence(rows, now)
        if len(silence.rows):
            tones += self._keep(silence, heard, now)
        self.drift.tick(rows)
        expired = self._intake.digits.expire(now)
        return [*gather(heard, self._table, self.formats, now), *tones, *expired]

    def _keep(self, frames: Frames, heard: list[HeardFrames], now: float) -> list[Event]:
        """Decode, conceal, judge and record one frame each of unique rows; gives what tones say."""
        rows = frames.rows
        pcm, quiet = self._sound(frames)
        tones: list[Event] = [*self._keys(rows, pcm, now), *self._progress(frames, pcm, now)]
        speech = self.gate.judge(rows, pcm, frames.real, now)
        if quiet.any():
            speech[quiet] = self.gate.speaking[rows[quiet]] = False
        self._recorder.heard(rows, frames.position, pcm, frames.real | frames.lost)
        self._bridges.heard(frames, pcm)
        real = slice(None) if frames.real.all() else frames.real
        self.drift.note(rows[real], frames.arrived[real], frames.position[real])
        heard.append(HeardFrames(rows, pcm, speech, frames.real, frames.arrived))
        return tones

    def _sound(self, frames: Frames) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Decode what came, fill what did not; and which frames are silent on purpose."""
        rows = frames.rows
        pcm = self._decoded(frames)
        quiet = self.comfort.judge(rows, frames.position, frames.real)
        if quiet.any():
            pcm[quiet] = self.comfort.frames(rows[quiet])
        lost = frames.lost & ~quiet
        if lost.any():
            pcm[lost] = self.concealment.conceal(rows[lost])
            self._tally.add(self._tally.concealed, rows[lost])
        if frames.real.all():
            self.concealment.remember(rows, pcm)
        else:
            good = pcm[frames.real]
            self.concealment.remember(rows[frames.real], good)
            pcm[frames.real] = good
        return pcm, quiet

    def _decoded(self, frames: Frames) -> NDArray[np.int16]:
        """The sound of real frames; others are silent."""
        codec = self.formats.law[frames.rows]
        whole = frames.real.all() and (codec == codec[0]).all()
        if whole and codec[0] < len(LAWS):
            return g711.decode(frames.octets, LAWS[codec[0]])
        pcm = np.zeros((len(frames.rows), FRAME), np.int16)
        for number, law in enumerate(LAWS):
            some = frames.real & (codec == number)
            if some.any():
                pcm[some] = g711.decode(frames.octets[some], law)
        if self._wide:
            self._decode_wide(frames, pcm)
        return pcm

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

    def _keys(self, rows: Rows, pcm: NDArray[np.int16], now: float) -> list[Digit]:
        """The keys that end in these frames, where the peer sends no events for them."""
        index = np.flatnonzero(self.formats.event_payload_type[rows] < 0)
        if not len(index):
            return []
        keys, sounding = self.tone_keys.listen(rows[index], pcm[index])
        for row in rows[index[sounding]].tolist():
            self.gate.mask(row, now + EVENT_TAIL_S)
        names = self._table.names
        return [Digit(names[key.row], now, key.digit, key.duration_s, "inband") for key in keys]

    def _progress(self, frames: Frames, pcm: NDArray[np.int16], now: float) -> list[ProgressTone]:
        """What the tones of call progress say that begin or go on, where somebody listens."""
        index = np.flatnonzero(self.progress_tones.on[frames.rows])
        if not len(index):
            return []
        rows, lost = frames.rows[index], frames.lost[index]
        names = self._table.names
        return [
            ProgressTone(names[tone.row], now, tone.kind, tone.duration_s)
            for tone in self.progress_tones.listen(rows, pcm[index], lost)
        ]
