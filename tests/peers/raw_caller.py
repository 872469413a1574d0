"""A caller made of sockets and text: it can say what no real phone would."""

import random
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.peers.places import PATIENCE_S, PeerError

HOST = "127.0.0.1"
PCMU, TELEPHONE_EVENT = 0, 101
FRAME_S = 0.020
QUIET = b"\xff" * 160
SO_TIMESTAMPNS = 35  # Linux; Python does not name it

SDP = """v=0\r
o=raw 1 1 IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=audio {port} RTP/AVP {formats}\r
a=rtpmap:101 telephone-event/8000\r
"""

REQUEST = """{method} {uri} SIP/2.0\r
Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{branch};rport\r
Max-Forwards: 70\r
From: <sip:raw@{host}>;tag={tag}\r
To: <{to}>{to_tag}\r
Call-ID: {call_id}\r
CSeq: {cseq} {cseq_method}\r
Contact: <sip:raw@{host}:{port}>\r
{headers}Content-Length: {length}\r
\r
"""


@dataclass(frozen=True, slots=True)
class Response:
    """A SIP response."""

    status: int
    text: str

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        match = re.search(rf"^{name}:\s*(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return match[1] if match else None


@dataclass
class RawCaller:
    """One SIP dialog and one RTP socket on loopback."""

    server: tuple[str, int]
    user: str = "demo"
    call_id: str = ""
    to_tag: str = ""
    cseq: int = 0
    remote_rtp: tuple[str, int] | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(time.monotonic_ns()))

    def __post_init__(self) -> None:
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((HOST, 0))
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((HOST, 0))
        self.tag = f"{self.chance.getrandbits(48):x}"
        self.call_id = self.call_id or f"{self.chance.getrandbits(64):x}@raw"
        self._voice: RtpVoice | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._voice:
            self._voice.stop()
        self.sip.close()
        self.rtp.close()

    @property
    def uri(self) -> str:
        return f"sip:{self.user}@{self.server[0]}:{self.server[1]}"

    def offer(self, formats: str = "0 101") -> str:
        """A session description of our RTP socket."""
        return SDP.format(host=HOST, port=self.rtp.getsockname()[1], formats=formats)

    def text(self, method: str, body: str = "", headers: str = "", cseq: int | None = None) -> str:
        """A request of this dialog."""
        if body and "Content-Type" not in headers:
            headers += "Content-Type: application/sdp\r\n"
        if cseq is None:
            self.cseq += 1
        head = REQUEST.format(
            method=method,
            uri=self.uri,
            host=HOST,
            port=self.sip.getsockname()[1],
            branch=f"{self.chance.getrandbits(64):x}",
            tag=self.tag,
            to=self.uri,
            to_tag=f";tag={self.to_tag}" if self.to_tag else "",
            call_id=self.call_id,
            cseq=cseq or self.cseq,
            cseq_method=method,
            headers=headers,
            length=len(body.encode()),
        )
        return head + body

    def send(self, message: str | bytes) -> None:
        """Send anything to the SIP port."""
        self.sip.sendto(message.encode() if isinstance(message, str) else message, self.server)

    def ask(self, method: str, body: str = "", headers: str = "") -> Response:
        """Send a request and return its final response; an INVITE's is acknowledged."""
        self.send(self.text(method, body, headers))
        response = self.final(method)
        if method == "INVITE":
            match = re.search(r"^To:.*;tag=([^;\s]+)", response.text, re.MULTILINE | re.IGNORECASE)
            self.to_tag = match[1] if match else ""
            self.send(self.text("ACK", cseq=self.cseq))
        return response

    def final(self, method: str) -> Response:
        """The next final response to `method`."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if not select.select([self.sip], [], [], 0.1)[0]:
                continue
            text = self.sip.recv(65_535).decode(errors="replace")
            if self.call_id not in text:
                continue
            match = re.match(r"SIP/2\.0 (\d{3})", text)
            if match and int(match[1]) >= 200 and re.search(rf"CSeq:\s*\d+ {method}", text):
                return Response(int(match[1]), text)
        raise PeerError(f"no answer to {method}")

    def call(self) -> Response:
        """Set the call up and send quiet audio until the block is left."""
        response = self.ask("INVITE", self.offer())
        if response.status != 200:
            raise PeerError(f"the call was refused: {response.text}")
        port = re.search(r"^m=audio (\d+)", response.text, re.MULTILINE)
        if port is None:
            raise PeerError(f"no audio in the answer: {response.text}")
        self.remote_rtp = (HOST, int(port[1]))
        self._voice = RtpVoice(self.rtp, self.remote_rtp)
        return response

    @property
    def voice(self) -> "RtpVoice":
        """What we say in the call."""
        if self._voice is None:
            raise PeerError("there is no call yet")
        return self._voice


class RtpVoice:
    """Sends a packet each 20 ms from a thread: what is to be said, or silence."""

    def __init__(self, rtp: socket.socket, remote: tuple[str, int]) -> None:
        self._rtp, self._remote = rtp, remote
        self._queue: list[bytes] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.received: list[tuple[float, bytes]] = []
        """Payloads with the wall time, epoch seconds, when the kernel got them."""
        self._rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, payloads: list[bytes]) -> None:
        """Queue µ-law frames of 20 ms."""
        with self._lock:
            self._queue.extend(payloads)

    @property
    def heard(self) -> int:
        """Packets that came."""
        return len(self.received)

    @property
    def saying(self) -> bool:
        with self._lock:
            return bool(self._queue)

    def stop(self) -> None:
        """Cease to send."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        sequence, began = 0, time.monotonic()
        while not self._over.wait(max(0.0, began + sequence * FRAME_S - time.monotonic())):
            with self._lock:
                payload = self._queue.pop(0) if self._queue else QUIET
            self._rtp.sendto(rtp_packet(sequence, payload), self._remote)
            sequence += 1
            while select.select([self._rtp], [], [], 0)[0]:
                packet, ancillary, _, _ = self._rtp.recvmsg(2_048, 64)
                seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2])
                self.received.append((seconds + nanoseconds / 1e9, packet[12:]))


def rtp_packet(
    sequence: int, payload: bytes = QUIET, payload_type: int = PCMU, ssrc: int = 0x5EED
) -> bytes:
    """An RTP packet (RFC 3550 §5.1) of 20 ms."""
    return (
        struct.pack(
            "!BBHII", 0x80, payload_type, sequence & 0xFFFF, sequence * 160 & 0xFFFF_FFFF, ssrc
        )
        + payload
    )


def mutated(message: bytes, chance: random.Random) -> bytes:
    """The message with something wrong in it."""
    changes: list[Callable[[bytes], bytes]] = [
        lambda m: m[: chance.randrange(len(m))],
        lambda m: m.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\r\n\r\n"])),
        lambda m: m.replace(b"SIP/2.0", chance.choice([b"SIP/9.9", b"", b"SIP"]), 1),
        lambda m: m.replace(b"z9hG4bK", b"", 1),
        lambda m: m.replace(b"Content-Length: ", b"Content-Length: -9", 1),
        lambda m: m.replace(b"CSeq: ", b"CSeq: 99999999999999999999", 1),
        lambda m: bytes(b if chance.random() > 0.02 else chance.randrange(256) for b in m),
        lambda m: m + m,
        lambda m: m.replace(b"Call-ID", b"Call-\x00ID", 1),
        lambda m: b"X: " + b"y" * 20_000 + b"\r\n" + m,
        lambda m: m.replace(b"Max-Forwards: 70", b"Max-Forwards: " + b"7" * 300, 1),
        lambda m: m.replace(b"Via: ", b"Via: ,,;;", 1),
    ]
    return chance.choice(changes)(message)
