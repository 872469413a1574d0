"""baresip: a SIP phone that registers, dials or answers, plays a WAV and records what it hears."""

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.kamailio import PASSWORD, REALM, Kamailio
from tests.peers.places import PATIENCE_S, PeerError, Place, Program

CONFIG = """
poll_method epoll
sip_listen {address}:{port}
sip_transports udp,tcp,tls
call_local_timeout 60
call_max_calls 4
audio_source aufile,{speech}
audio_player aufile,{folder}/played.wav
audio_alert aufile,{folder}/alert.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
audio_txmode poll
rtp_ports {first_rtp}-{last_rtp}
rtcp_mux {mux}
jitter_buffer_delay 5-10
net_interface {interface}
module_path {modules}
module g711.so
module aufile.so
module sndfile.so
module srtp.so
module dtls_srtp.so
module g722.so
module opus.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
snd_path {folder}
ctrl_tcp_listen 127.0.0.1:{control}
"""

UNREGISTERED = (
    "<sip:{name}@{address}>;regint=0;audio_codecs={codecs};answermode=auto;ptime=20{encryption}\n"
)
ACCOUNT = (
    '<sip:{name}@{realm};transport=udp>;auth_user={name};auth_pass="{password}";'
    'outbound="sip:{proxy}:{proxy_port}";regint=60;audio_codecs={codecs};'
    "answermode=auto;ptime=20\n"
)


@dataclass(slots=True)
class Baresip:
    """A running phone that answers by itself. Needs a NetworkNamespace: it refuses loopback."""

    name: str
    program: Program
    folder: Path
    control: socket.socket
    """ctrl_tcp: netstrings of JSON; answers and events come mixed."""
    port: int
    """Where it takes SIP."""
    events: list[dict[str, Any]] = field(default_factory=list)
    _buffer: bytes = b""
    _answers: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        place: Place,
        registrar: Kamailio | None,
        name: str,
        speech: Path,
        codecs: Sequence[str] = ("PCMU/8000/1",),
        encryption: str | None = None,
    ) -> "Baresip":
        """Start a phone that registers as `sip:{name}@trunk.test` and wait until it has.

        Without a registrar it calls straight. `encryption` is baresip's `mediaenc`.

        `speech` is played into every call, from its beginning: 16-bit mono WAV of 8 kHz.
        The phone hangs up when it ends: pad it with silence for a longer call.
        """
        folder = place.folder / f"baresip-{name}"
        folder.mkdir()
        [modules] = Path("/usr/lib").glob("**/baresip/modules")
        first_rtp, last_rtp = place.free_range(50)
        control, port = place.free_port(), place.free_port()
        (folder / "config").write_text(
            CONFIG.format(
                address=place.address,
                port=port,
                speech=speech,
                folder=folder,
                first_rtp=first_rtp,
                last_rtp=last_rtp,
                interface=getattr(place, "interface", "lo"),
                modules=modules,
                control=control,
                mux="yes" if encryption == "dtls_srtp" else "no",
            )
        )
        account = {"name": name, "codecs": ",".join(codecs), "address": place.address}
        if registrar:
            account |= {"realm": REALM, "password": PASSWORD, "proxy": registrar.address}
            account |= {"proxy_port": str(registrar.port)}
        secured = f";mediaenc={encryption}" if encryption else ""
        text = (ACCOUNT if registrar else UNREGISTERED).format(**account, encryption=secured)
        (folder / "accounts").write_text(text)
        (folder / "contacts").write_text("")
        program = place.start(f"baresip-{name}", ["baresip", "-4", "-f", folder])
        program.wait_listening("tcp", control)
        with place.inside():
            connection = socket.create_connection(("127.0.0.1", control), PATIENCE_S)
        place.resources.enter_context(connection)
        phone = cls(name, program, folder, connection, port)
        if registrar:
            program.watch(lambda: "OK" in phone.command("reginfo"), f"{name} to register")
        return phone

    def dial(self, uri: str) -> None:
        """Call `uri` and wait until the call is established."""
        self.command("dial", uri)
        self.wait_event("CALL_ESTABLISHED")

    def hang_up(self) -> None:
        """End the current call and wait until its recording is closed."""
        self.command("hangup")
        self.wait_event("CALL_CLOSED")

    def press(self, digits: str) -> None:
        """Send digits into the current call (RFC 4733)."""
        for digit in digits:
            self.command("sndcode", digit)

    def command(self, name: str, parameters: str = "") -> str:
        """Give a command and return what it printed."""
        body = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self.control.sendall(b"%d:%b," % (len(body), body))
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers:
            self._read(deadline, f"an answer to {name!r}")
        answer = self._answers.pop(0)
        return str(answer.get("data", ""))

    def wait_event(self, kind: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next event of that kind (CALL_ESTABLISHED, CALL_CLOSED, …) and what came
        before it is dropped."""
        deadline = time.monotonic() + timeout_s
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["type"] == kind:
                    return event
                if event["type"] == "CALL_CLOSED":
                    raise PeerError(f"{self.name}: the call closed, expected {kind}: {event}")
            self._read(deadline, kind)

    def heard(self) -> Path:
        """The WAV of what the other side said in the last call."""
        return max(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime_ns)

    def _read(self, deadline: float, what: str) -> None:
        self.control.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
            received = self.control.recv(65536)
        except TimeoutError:
            raise PeerError(f"{self.name}: no {what} came{self.program.tail()}") from None
        if not received:
            raise PeerError(f"{self.name} ended before {what}{self.program.tail()}")
        self._buffer += received
        while b":" in self._buffer:
            length, rest = self._buffer.split(b":", 1)
            if len(rest) <= int(length):
                break
            message = json.loads(rest[: int(length)])
            self._buffer = rest[int(length) + 1 :]
            (self._answers if message.get("response") else self.events).append(message)
