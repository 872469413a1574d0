"""The border between the control plane and the media plane: commands down, events up.

Both are plain values. They cross a local socket when the media plane is a process of its own, and a
function call when both planes share a process in a test. A *stream* is one RTP session with one
peer: one caller, one row of the engine's table. Times (`at`) are monotonic seconds of the machine.
Positions (`sample`, `samples`) count 8 kHz samples.

Assistant audio is sent in *generations*. The sender plays only the current generation: after
`Flush` not one sample of an older one leaves. Per generation the engine reports the samples that
really left, which is what the conversation's memory of "heard" is cut by.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .quality import StreamReport

Codec = Literal["pcmu", "pcma", "g722", "opus"]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""Our own direction: `recvonly` means that the peer put us on hold and we send nothing."""

Dtls = tuple[bool, int, tuple[tuple[str, bytes], ...]]
"""Whether we send the ClientHello, the association's number (another one: another handshake), and
the fingerprints (hash function, digest) of which one must be the peer's certificate's."""


# Commands -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Bind an RTP port (and RTCP on the next one) on `host`. Answered by Opened or OpenFailed.

    `folder`, if given, is an existing directory: the engine writes `stereo.wav` (with `record`) and
    `call.pcap` (with `capture`) into it.
    """

    stream: str
    host: str
    folder: str | None = None
    record: bool = False
    capture: bool = False
    media_timeout_s: float = 10.0
    """Without a packet for so long MediaSilent is told; never while one side holds the call."""
    end_after_s: float | None = None
    """Then it is told again, as `final`: the owner ends the call."""


@dataclass(frozen=True, slots=True)
class ConfigureStream:
    """Apply the outcome of an offer/answer: where the peer is and what it speaks."""

    stream: str
    remote_host: str
    remote_port: int
    remote_rtcp_port: int
    codec: Codec
    payload_type: int
    event_payload_type: int | None
    direction: Direction = "sendrecv"
    event_clock_rate: int = 8_000
    """Of the telephone events: 48000 beside Opus, if the peer takes them so."""
    ptime_ms: int = 20
    """Audio in each packet that we send."""
    comfort_noise_payload_type: int | None = None
    """If given, silence is sent as comfort noise (RFC 3389): a small packet every 200 ms."""
    srtp: tuple[str, bytes, bytes] | None = field(default=None, repr=False)
    """Suite (RFC 4568 name), our key and the peer's, with their salts; None: plain RTP."""
    dtls: Dtls | None = None
    """Agree on keys by DTLS first: nothing is sent or heard before Secured; or KeysFailed comes."""
    rtcp_mux: bool = False
    """Send RTCP from the RTP port (RFC 5761). By DTLS without it, there is no RTCP at all."""


@dataclass(frozen=True, slots=True)
class Play:
    """Append audio of `generation` to what will be sent. Older generations are ignored."""

    stream: str
    generation: int
    pcm: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class EndPlay:
    """No more audio will come for `generation`: report Played once the last sample left."""

    stream: str
    generation: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Freeze playout at once; nothing is lost. Answered by Paused."""

    stream: str
    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on playing `generation`, `rewind` samples before where it was frozen."""

    stream: str
    generation: int
    rewind: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop every sample of `generation` and older that has not left. Answered by Flushed."""

    stream: str
    generation: int


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Press keys (0-9 * # A-D): each one for `tone_ms`, then `gap_ms` of silence.

    They go as RTP events (RFC 4733) if the peer takes those, else, or with `in_band`, as tones in
    the audio. What is being played waits meanwhile. Answered by DigitsSent.
    """

    stream: str
    digits: str
    tone_ms: int = 160
    gap_ms: int = 80
    in_band: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Answered by MarkReached when `sample` samples of the generation have left; never, if they
    do not. A stream keeps so many marks (`marks.MOST`); the oldest give way."""

    stream: str
    generation: int
    sample: int
    name: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """From now on the stream and `others` of the same engine hear one another, three at most.

    A bridge that one of them was in goes on without it. Answered by Bridged or BridgeFailed.
    """

    stream: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaveBridge:
    """The stream hears no other any more; of a bridge of two nothing is left."""

    stream: str


@dataclass(frozen=True, slots=True)
class Tap:
    """Whether the stream's Heard is told; what is heard goes on to recording and bridge."""

    stream: str
    on: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Whether sound is recorded: what is said meanwhile is silence in the recording."""

    stream: str
    on: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """Tell how the stream fares. Answered by Measured."""

    stream: str


@dataclass(frozen=True, slots=True)
class CaptureSip:
    """Write one SIP message, as it crossed the wire, into the stream's capture.

    `at` is wall-clock epoch seconds. Addresses are (host, port).
    """

    stream: str
    at: float
    source: tuple[str, int]
    destination: tuple[str, int]
    transport: Literal["udp", "tcp", "tls"]
    payload: bytes


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Say goodbye (RTCP BYE), finish the files, free the ports. Answered by Closed."""

    stream: str


Command = (
    OpenStream
    | ConfigureStream
    | Play
    | EndPlay
    | Pause
    | Resume
    | Flush
    | SendDigits
    | Mark
    | Bridge
    | LeaveBridge
    | Tap
    | Record
    | Measure
    | CaptureSip
    | CloseStream
)


# Events ---------------------------------------------------------------------------------------


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
    | EngineLoad
)
"""What the listener of a stream is told."""

Told = Event | HeardBatch
"""What the engine tells; a batch is taken apart in the control process."""
