"""One open RTP stream as the control plane sees it: verbs that become commands."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ...codecs.tones import DTMF
from ...codecs.wideband import require
from .. import plane
from ..feed import PlayoutFeed
from ..keys import MAX_WAITING
from ..quality import StreamReport
from ..sdp import Dtls, Negotiated, Sdes


class Carrier(Protocol):
    """The engine that has the stream."""

    def send(self, commands: list[plane.Command]) -> None:
        """Send commands at once."""
        ...

    async def close_stream(self, stream: str) -> StreamReport:
        """Close a stream and wait for its files."""
        ...


class MediaStream:
    """One open RTP stream."""

    def __init__(self, carrier: Carrier, opened: plane.Opened) -> None:
        self.id = opened.stream
        self.port = opened.port
        """RTP is received here, RTCP on the next port."""
        self.fingerprint = opened.fingerprint
        """Of the certificate that a DTLS handshake shows."""
        self._carrier = carrier
        self._feed = PlayoutFeed(opened.stream)

    def configure(self, agreed: Negotiated) -> None:
        """Apply the outcome of an offer/answer. Raises WidebandUnavailable."""
        require(agreed.codec)
        keys = agreed.security if isinstance(agreed.security, Sdes) else None
        dtls = agreed.security if isinstance(agreed.security, Dtls) else None
        self._send(
            plane.ConfigureStream(
                stream=self.id,
                remote_host=agreed.remote_host,
                remote_port=agreed.remote_port,
                remote_rtcp_port=agreed.remote_rtcp_port,
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                event_payload_type=agreed.event_payload_type,
                event_clock_rate=agreed.event_clock_rate,
                direction=agreed.direction,
                ptime_ms=agreed.ptime_ms,
                comfort_noise_payload_type=agreed.comfort_noise_payload_type,
                srtp=(keys.suite, keys.local_key, keys.remote_key) if keys else None,
                dtls=(dtls.active, dtls.association, dtls.fingerprints) if dtls else None,
                rtcp_mux=agreed.rtcp_mux,
            )
        )

    def play(self, generation: int, pcm: NDArray[np.int16]) -> None:
        """Append 8 kHz audio of any length to what is sent; a newer generation cuts the older."""
        self._send(*self._feed.play(generation, pcm))

    def end_play(self, generation: int) -> None:
        """No more audio comes for the generation; Played follows its last sample."""
        self._send(*self._feed.end(generation))

    def pause(self, generation: int) -> None:
        """Freeze playout; Paused follows."""
        self._send(plane.Pause(self.id, generation))

    def resume(self, generation: int, rewind: int = 0) -> None:
        """Go on, `rewind` samples before where playout was frozen."""
        self._send(plane.Resume(self.id, generation, rewind))

    def flush(self, generation: int) -> None:
        """Drop what has not left of the generation and older ones; Flushed follows."""
        self._feed.drop(generation)
        self._send(plane.Flush(self.id, generation))

    def mark(self, generation: int, name: str) -> None:
        """MarkReached follows when everything given so far of the generation has left."""
        self._send(*self._feed.mark(generation, name))

    def bridge(self, *others: "MediaStream") -> None:
        """Let the callers hear one another; Bridged or BridgeFailed follows."""
        self._send(plane.Bridge(self.id, tuple(other.id for other in others)))

    def leave_bridge(self) -> None:
        """Hear no other caller, and be heard by none."""
        self._send(plane.LeaveBridge(self.id))

    def tap(self, on: bool) -> None:
        """Whether Heard is told."""
        self._send(plane.Tap(self.id, on))

    def record(self, on: bool) -> None:
        """Whether sound is recorded; silence takes its place."""
        self._send(plane.Record(self.id, on))

    def listen_for_tones(self, on: bool) -> None:
        """Whether ProgressTone is told of what the peer sends."""
        self._send(plane.ListenForTones(self.id, on))

    def measure(self) -> None:
        """Measured follows."""
        self._send(plane.Measure(self.id))

    def send_digits(
        self, digits: str, *, tone_ms: int = 160, gap_ms: int = 80, in_band: bool = False
    ) -> None:
        """Press keys (0-9 * # A-D); what plays waits, DigitsSent follows. Raises ValueError."""
        if strange := set(digits.upper()) - set(DTMF):
            raise ValueError(
                f"{sorted(strange)} cannot be dialled: expected digits, *, # or A to D"
            )
        if len(digits) > MAX_WAITING:
            raise ValueError(f"{len(digits)} digits at once, expected at most {MAX_WAITING}")
        self._send(plane.SendDigits(self.id, digits, tone_ms, gap_ms, in_band))

    def capture_sip(
        self,
        *,
        at: float,
        source: tuple[str, int],
        destination: tuple[str, int],
        transport: Literal["udp", "tcp", "tls"],
        payload: bytes,
    ) -> None:
        """Write a SIP message into the capture; `at` is epoch seconds."""
        self._send(plane.CaptureSip(self.id, at, source, destination, transport, payload))

    async def close(self) -> StreamReport:
        """Close the stream; its files are complete afterwards."""
        return await self._carrier.close_stream(self.id)

    def take(self, event: plane.Event) -> list[plane.Command]:
        """Keep up with playout; gives what is to be sent."""
        match event:
            case plane.Room() | plane.Played():
                return self._feed.played(event.generation, event.samples)
        return []

    def _send(self, *commands: plane.Command) -> None:
        if commands:
            self._carrier.send(list(commands))
