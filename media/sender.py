"""The sender: one packet a tick for every stream that may send, speech or silence.

Sequence numbers and timestamps run on without a gap; the marker bit stands on the first packet of a
talkspurt only (RFC 3551 §4.1).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from ..codecs import g711
from ..codecs.g711 import PAYLOAD_TYPE, Law
from ..codecs.wideband import CLOCK_RATE, RATE, Encoder, WidebandCodec, wideband_codec
from .plane import Codec, ConfigureStream
from .rtp import columns
from .rtp.telephone_event import MAX_DURATION, TelephoneEvent
from .streams import Columns, Rows, column

FRAME = 160
COMFORT_TICKS = 10
"""Silence is sent as sound for so long; then comfort noise is sent every so often."""
COMFORT_LEVEL = 70
"""Of the noise that the peer is to hear, −dBov."""
LAWS: tuple[Law, ...] = ("pcmu", "pcma")
WIDE: tuple[WidebandCodec, ...] = ("g722", "opus")
CODECS: tuple[Codec, ...] = (*LAWS, *WIDE)


class Sender(Columns):
    """What each row sends, and how far it has come."""

    law: NDArray[np.int64] = column(np.int64)
    """Index into CODECS."""
    step: NDArray[np.int64] = column(np.int64, default=FRAME)
    """Timestamp units in a tick."""
    payload_type: NDArray[np.int64] = column(np.int64, default=PAYLOAD_TYPE["pcmu"])
    sequence: NDArray[np.int64] = column(np.int64)
    timestamp: NDArray[np.int64] = column(np.int64)
    ssrc: NDArray[np.int64] = column(np.int64)
    speaking: NDArray[np.bool_] = column(np.bool_)
    packets: NDArray[np.int64] = column(np.int64)
    octets: NDArray[np.int64] = column(np.int64)
    """Of payload."""
    event_payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    """−1: the peer takes no RTP events."""
    comfort_payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    """−1: silence is sent as sound."""
    quiet: NDArray[np.int64] = column(np.int64)
    """Ticks without sound."""
    event_clock: NDArray[np.int64] = column(np.int64, default=RATE)
    """Units of an event's duration in a second."""
    event_timestamp: NDArray[np.int64] = column(np.int64)
    """When the digit began that is being sent."""

    def __init__(self) -> None:
        super().__init__()
        self._encoders: dict[int, Encoder] = {}
        self._comforting: set[int] = set()

    def reset(self, row: int) -> None:
        super().reset(row)
        self._encoders.pop(row, None)
        self._comforting.discard(row)

    def speak(self, row: int, command: ConfigureStream) -> None:
        """Send as agreed from now on. Raises WidebandUnavailable."""
        law = CODECS.index(command.codec)
        self.payload_type[row] = command.payload_type
        event, noise = command.event_payload_type, command.comfort_noise_payload_type
        self.event_payload_type[row] = -1 if event is None else event
        self.event_clock[row] = command.event_clock_rate
        self.comfort_payload_type[row] = -1 if noise is None else noise
        (self._comforting.discard if noise is None else self._comforting.add)(row)
        if law == self.law[row]:
            return
        self.law[row] = law
        self.step[row] = FRAME
        self._encoders.pop(row, None)
        if wide := wideband_codec(command.codec):
            self._encoders[row] = Encoder(wide)
            self.step[row] = FRAME * CLOCK_RATE[wide] // RATE

    def open(self, row: int, entropy: Entropy) -> None:
        """Give the row its random starting numbers (RFC 3550 §5.1)."""
        self.sequence[row] = entropy.integer(16)
        self.timestamp[row] = entropy.integer(32)
        self.ssrc[row] = entropy.integer(32)

    def packets_of(
        self,
        rows: Rows,
        pcm: NDArray[np.int16],
        active: NDArray[np.bool_],
        offset: NDArray[np.int64] | int = 0,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Packets of this tick, one of each row, as a matrix, and their lengths.

        `offset` is the time of their first sample beside that of the tick's frame, in samples; only
        G.711 can be sent in packets that do not hold one frame.
        """
        packet = columns.HEADER_SIZE + pcm.shape[1]
        out = np.empty((len(rows), packet), np.uint8)
        marker = active & ~self.speaking[rows]
        columns.write_headers(
            out,
            self.payload_type[rows],
            marker,
            self.sequence[rows],
            self.timestamp[rows] + offset & 0xFFFF_FFFF,
            self.ssrc[rows],
        )
        # Frames of a tick are silent where not active; in longer packets a word may end.
        sounding = active if pcm.shape[1] == FRAME else np.ones(len(rows), np.bool_)
        codec = self.law[rows]
        for number, law in enumerate(LAWS):
            mine = codec == number
            if mine.any():
                _encode(out[:, columns.HEADER_SIZE :], law, pcm, mine, sounding)
        length = np.full(len(rows), packet)
        if self._encoders:
            self._encode_wide(rows, pcm, out, length)
        self.speaking[rows] = active
        self.sequence[rows] = (self.sequence[rows] + 1) & 0xFFFF
        self.packets[rows] += 1
        return out, length

    def _encode_wide(
        self,
        rows: Rows,
        pcm: NDArray[np.int16],
        out: NDArray[np.uint8],
        length: NDArray[np.int64],
    ) -> None:
        for index in np.flatnonzero(self.law[rows] >= len(LAWS)).tolist():
            payload = self._encoders[int(rows[index])].encode(pcm[index])[:FRAME]
            end = columns.HEADER_SIZE + len(payload)
            out[index, columns.HEADER_SIZE : end] = np.frombuffer(payload, np.uint8)
            length[index] = end

    def turn_into_event(
        self, row: int, packet: NDArray[np.uint8], event: TelephoneEvent, *, first: bool
    ) -> int:
        """Make an event packet (RFC 4733 §2.3) of the row's audio packet; gives its length.

        Every packet of one event has the timestamp of its first, which has the marker bit.
        """
        if first:
            self.event_timestamp[row] = self.timestamp[row]
        one = np.array([row])
        sequence = np.array([int(packet[2]) << 8 | int(packet[3])])
        columns.write_headers(
            packet[None, :],
            self.event_payload_type[one],
            np.array([first]),
            sequence,
            self.event_timestamp[one],
            self.ssrc[one],
        )
        duration = event.duration * int(self.event_clock[row]) // RATE
        payload = bytes(replace(event, duration=min(duration, MAX_DURATION)))
        length = columns.HEADER_SIZE + len(payload)
        packet[columns.HEADER_SIZE : length] = np.frombuffer(payload, np.uint8)
        return length

    @property
    def comforting(self) -> bool:
        """Whether any row sends comfort noise."""
        return bool(self._comforting)

    def rests(
        self, rows: Rows, sounds: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows send nothing in this tick, and which send comfort noise."""
        self.quiet[rows] = np.where(sounds, 0, self.quiet[rows] + 1)
        over = self.quiet[rows] - COMFORT_TICKS
        resting = (over > 0) & (self.comfort_payload_type[rows] >= 0)
        noise = resting & (over % COMFORT_TICKS == 1)
        return resting & ~noise, noise

    def turn_into_comfort(self, row: int, packet: NDArray[np.uint8]) -> int:
        """Make a comfort noise packet of the row's packet of silence; gives its length."""
        packet[1] = self.comfort_payload_type[row]
        packet[columns.HEADER_SIZE] = COMFORT_LEVEL
        return columns.HEADER_SIZE + 1

    def advance(self, rows: Rows) -> None:
        """Media time goes on for every row, also for one that may not send now."""
        self.timestamp[rows] = (self.timestamp[rows] + self.step[rows]) & 0xFFFF_FFFF


def _encode(
    out: NDArray[np.uint8],
    law: Law,
    pcm: NDArray[np.int16],
    mine: NDArray[np.bool_],
    sounding: NDArray[np.bool_],
) -> None:
    """Encode those frames that are `mine`; of those not `sounding` it is known what comes out."""
    if mine.all():
        out[:] = g711.SILENCE[law]
    else:
        out[mine & ~sounding] = g711.SILENCE[law]
    some = np.flatnonzero(mine & sounding)
    out[some] = g711.encode(pcm[some], law)
