"""What the control plane asks of an engine. All but OpenStream are about a stream that is open."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Codec = Literal["pcmu", "pcma", "g722", "opus"]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""Our own direction: `recvonly` means that the peer put us on hold and we send nothing."""

Dtls = tuple[bool, int, tuple[tuple[str, bytes], ...]]
"""Whether we send the ClientHello, the association's number (another one: another handshake), and
the fingerprints (hash function, digest) of which one must be the peer's certificate's."""


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
class PlayBatch:
    """One Play each of different streams: `pcm` holds the audio of one after the other."""

    streams: tuple[str, ...]
    generation: NDArray[np.int64]
    samples: NDArray[np.int64]
    pcm: NDArray[np.int16]

    @classmethod
    def of(cls, plays: Sequence[Play]) -> Self:
        """Those, in their order."""
        return cls(
            tuple(play.stream for play in plays),
            np.array([play.generation for play in plays]),
            np.array([len(play.pcm) for play in plays]),
            np.concatenate([play.pcm for play in plays]),
        )


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
class ListenForTones:
    """Whether ProgressTone is told of the stream; off in a new stream."""

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
    | ListenForTones
    | Measure
    | CaptureSip
    | CloseStream
)
"""About one stream."""

Asked = Command | PlayBatch
"""What crosses to an engine."""
