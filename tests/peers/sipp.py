"""SIPp: plays a scripted caller or called party, with RTP from a capture."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.peers.places import PeerError, Place, Program

SIPP_CAPTURES = Path("/usr/share/sip-tester")
"""Captures with G.711 speech and RFC 4733 digits that come with SIPp."""


_MESSAGE = re.compile(
    r"(?:UDP|TCP) message (sent|received) ?[^\n]*\n\n(.*?)(?=\n-{20,}|\Z)", re.DOTALL
)


@dataclass(slots=True)
class Sipp:
    """One SIPp process."""

    program: Program
    port: int
    media_port: int
    messages: Path
    """Every SIP message it saw, written by -trace_msg."""

    @classmethod
    def start(
        cls,
        place: Place,
        scenario: str | Path,
        target: str | None = None,
        *,
        calls: int = 1,
        extra: tuple[str, ...] = (),
        port: int | None = None,
        address: str | None = None,
        timeout_s: int = 30,
    ) -> "Sipp":
        """Start a built-in scenario (`uac`, `uac_pcap`, `uas`, …) or a scenario file.

        A scenario that calls needs `target`, a host:port; one that is called listens when this
        returns. SIPp gives up by itself after `timeout_s`. Scenarios find SIPp's captures as
        `pcap/…`.
        """
        folder = place.folder / f"sipp-{len(place.programs)}"
        folder.mkdir()
        (folder / "pcap").symlink_to(SIPP_CAPTURES)
        port = port or place.free_port()
        media_port, _ = place.free_range(4)  # SIPp takes the media port and the one two above
        chosen = ["-sf", str(scenario)] if isinstance(scenario, Path) else ["-sn", scenario]
        command = ["sipp", *chosen, "-i", address or place.address, "-p", str(port)]
        command += [
            "-mi",
            address or place.address,
            "-mp",
            str(media_port),
            "-m",
            str(calls),
            "-nostdin",
        ]
        command += ["-timeout", f"{timeout_s}s", "-timeout_error"]
        command += ["-trace_msg", "-message_file", "messages.log"]
        command += ["-trace_err", "-error_file", "errors.log", *extra]
        program = place.start("sipp", [*command, *([target] if target else [])], cwd=folder)
        sipp = cls(program, port, media_port, folder / "messages.log")
        if target is None:
            program.wait_listening("udp", port)
        return sipp

    def finish(self, timeout_s: float = 40.0) -> None:
        """Wait for the end. Raises PeerError with SIPp's complaint unless every call succeeded."""
        status = self.program.wait(timeout_s)
        if status != 0:
            errors = self.messages.with_name("errors.log")
            complaint = errors.read_text(errors="replace")[-3000:] if errors.exists() else ""
            raise PeerError(f"sipp ended with {status}: {complaint or self.program.tail()}")

    def exchanged(self) -> list[tuple[bool, str]]:
        """Every message in order: whether it was received, and its text with bare line feeds."""
        text = self.messages.read_text(errors="replace").replace("\r\n", "\n")
        found = _MESSAGE.findall(text)
        return [(way == "received", message.strip("\n") + "\n") for way, message in found]

    def received(self, start: str) -> list[str]:
        """The messages that came in and begin so, such as `SIP/2.0 200` or `BYE`."""
        return [text for came, text in self.exchanged() if came and text.startswith(start)]
