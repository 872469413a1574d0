"""What an engine tells the control plane."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..quality import StreamReport

ToneKind = Literal["ringback", "busy", "congestion", "dial", "sit", "fax-calling", "fax-answer"]
"""What a caller would hear, or a fax machine: `sit` is the special information tone (a call that
failed), `fax-calling` CNG and `fax-answer` CED (ITU-T E.182, T.30)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream's local RTP port is bound. `fingerprint` is that of the certificate it shows."""

    stream: str
    port: int
    fingerprint: tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class OpenFailed:
    """The stream could not be opened; `reason` is a sentence for an operator."""

    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stream's caller said in one tick: one or more 20 ms frames, in order.

    `pcm` has shape (frames, 160). `speech[i]` is the activity decision of frame i. `real[i]` is
    False where no packet came and the frame was concealed or is made silence. `sample` is the
    position of the first sample on the stream's heard clock (which starts at 0). `arrived` is when
    the last packet among the frames arrived, or the tick's time if there was none.
    """

    stream: str
    at: float
    arrived: float
    sample: int
    pcm: NDArray[np.int16]
    speech: tuple[bool, ...]
    real: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class HeardBatch:
    """What all callers said in one tick, as arrays: one Heard for each of `streams`.

    `frames[i]` tells how many frames stream i has. The frames of all streams, stream by stream,
    make up the first axis of `pcm` (int16, 160 columns), `speech` and `real` (bool); `arrived`
    (float64) and `sample` (int64) have one element per stream.
    """

    streams: tuple[str, ...]
    at: float
    arrived: NDArray[np.float64]
    sample: NDArray[np.int64]
    frames: NDArray[np.int64]
    pcm: NDArray[np.int16]
    speech: NDArray[np.bool_]
    real: NDArray[np.bool_]

    def each(self) -> Iterator[Heard]:
        """What each stream heard. The sound is a copy: who keeps it does not keep the batch."""
        arrived, sample, frames = self.arrived.tolist(), self.sample.tolist(), self.frames.tolist()
        speech, real = self.speech.tolist(), self.real.tolist()
        begin = 0
        for index, stream in enumerate(self.streams):
            end = begin + frames[index]
            yield Heard(
                stream,
                self.at,
                arrived[index],
                sample[index],
                self.pcm[begin:end].copy(),
                tuple(speech[begin:end]),
                tuple(real[begin:end]),
            )
            begin = end


@dataclass(frozen=True, slots=True)
class Digit:
    """A DTMF digit, reported once, when its end is known."""

    stream: str
    at: float
    digit: str
    duration_s: float
    heard_by: Literal["rtp", "inband", "info"] = "rtp"
    """RFC 4733 events, tones in the audio, or SIP INFO."""


@dataclass(frozen=True, slots=True)
class ProgressTone:
    """The peer sends a tone of call progress or of a fax machine, heard for `duration_s` so far.

    Told once; again when it was gone for 5 s, or another kind was told in between.
    """

    stream: str
    at: float
    kind: ToneKind
    duration_s: float


@dataclass(frozen=True, slots=True)
class DigitsSent:
    """The digits of one SendDigits have left; those that found no room are missing."""

    stream: str
    at: float
    digits: str


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """The first samples of a generation left in the packet sent at `at`."""

    stream: str
    generation: int
    at: float


@dataclass(frozen=True, slots=True)
class Played:
    """Every sample of the generation left; `at` is when the last packet was sent."""

    stream: str
    generation: int
    at: float
    samples: int


@dataclass(frozen=True, slots=True)
class MarkReached:
    """Everything before the mark left; `at` is when the last packet of it was sent."""

    stream: str
    generation: int
    at: float
    name: str


@dataclass(frozen=True, slots=True)
class Bridged:
    """The stream hears the others it was joined with."""

    stream: str
    at: float
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """Nobody was joined; `reason` is a sentence for an operator."""

    stream: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """How the stream fares so far."""

    stream: str
    at: float
    report: StreamReport


@dataclass(frozen=True, slots=True)
class Room:
    """Playout of the generation has come to `samples`: there is room for more behind it."""

    stream: str
    generation: int
    samples: int


@dataclass(frozen=True, slots=True)
class RoomBatch:
    """The Room of many streams, as arrays of one element each."""

    streams: tuple[str, ...]
    generation: NDArray[np.int64]
    samples: NDArray[np.int64]

    def each(self) -> Iterator[Room]:
        """The Room of each stream."""
        generations, samples = self.generation.tolist(), self.samples.tolist()
        return map(Room, self.streams, generations, samples)


@dataclass(frozen=True, slots=True)
class Paused:
    """Playout is frozen; `samples` of the generation left before."""

    stream: str
    generation: int
    at: float
    samples: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """The generation is gone; `samples` of it left before."""

    stream: str
    generation: int
    at: float
    samples: int


@dataclass(frozen=True, slots=True)
class PeerLocked:
    """Symmetric RTP settled on the peer's real address; others are strangers from now on."""

    stream: str
    at: float
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Secured:
    """The DTLS handshake is through: the stream goes on as SRTP of this suite."""

    stream: str
    at: float
    suite: str


@dataclass(frozen=True, slots=True)
class KeysFailed:
    """No keys were agreed on in time; the stream stays silent, its owner ends the call."""

    stream: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class MediaSilent:
    """No RTP packet came from the peer for `seconds`; reported once per silence.

    `final`: the silence has reached the stream's `end_after_s`.
    """

    stream: str
    at: float
    seconds: float
    final: bool = False


@dataclass(frozen=True, slots=True)
class StrangerHeard:
    """Valid RTP came from an address that the stream is not locked to, and was not let in.

    Told once for each stranger, and for eight strangers of a stream at most.
    """

    stream: str
    at: float
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class ArtifactFailed:
    """A recording or capture could not be written further; the call goes on without it."""

    stream: str
    artifact: Literal["recording", "pcap"]
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream is gone; its files are complete."""

    stream: str
    report: StreamReport


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The process that carried the stream died, and the stream with it; nothing more is told.

    `reason` says in words which process it was. What was written into the stream's files stays.
    """

    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How one engine fares; told about once a second. Counts are since its process began."""

    at: float = 0.0
    streams: int = 0
    busy: float = 0.0
    """Share of the time in which it worked, moving average over about a second."""
    late: float = 0.0
    """Share of the ticks that began late, moving average over about a second."""
    ticks: int = 0
    late_ticks: int = 0
    """Ticks that began more than half a tick behind their time, or not at all."""
    overruns: int = 0
    """Ticks that took longer than 20 ms."""
    send_errors: int = 0
    """Packets that the network did not take."""


Event = (
    Opened
    | OpenFailed
    | Heard
    | Digit
    | ProgressTone
    | DigitsSent
    | PlayStarted
    | Played
    | MarkReached
    | Bridged
    | BridgeFailed
    | Measured
    | Room
    | Paused
    | Flushed
    | PeerLocked
    | MediaSilent
    | Secured
    | KeysFailed
    | StrangerHeard
    | ArtifactFailed
    | Closed
    | StreamLost
)
"""What the listener of a stream is told."""

Told = Event | HeardBatch | RoomBatch | EngineLoad
"""What an engine tells; a batch is taken apart in the control process."""
