"""Captures by dumpcap, read by tshark: a judge that shares no code with the product."""

import re
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.peers.places import PeerError, Place, Program

DISCARD_PORT = 9
"""Where probe packets go (RFC 863)."""


class Capture:
    """dumpcap on the loopback interface of a place: all that is said there, as one sees it.

    Capturing has begun when the constructor returns, and all that was sent before `stop` is in the
    file: both are shown by a marked packet that arrives in it.
    """

    def __init__(self, place: Place, path: Path, capture_filter: str = "") -> None:
        self.path = path
        self._place = place
        command: list[str | Path] = ["dumpcap", "-q", "-P", "-i", "lo", "-w", path]
        if capture_filter:
            command += ["-f", f"({capture_filter}) or udp port {DISCARD_PORT}"]
        self._program: Program = place.start("dumpcap", command)
        self._wait_for_probe()

    def stop(self) -> Path:
        """End the capture and return its file."""
        if self._program.process.poll() is None:
            self._wait_for_probe()
            self._program.stop()
        return self.path

    def _wait_for_probe(self) -> None:
        mark = uuid.uuid4().bytes

        def arrived() -> bool:
            with self._place.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.sendto(mark, ("127.0.0.1", DISCARD_PORT))
            return self.path.exists() and mark in self.path.read_bytes()

        self._program.watch(arrived, "a probe packet in the capture")


def tshark(capture: Path, *words: str) -> str:
    """Run tshark over a capture without name resolution. RTP is recognised without SIP too."""
    result = subprocess.run(
        ["tshark", "-n", "-r", capture, "--enable-heuristic", "rtp_udp", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if result.returncode != 0:
        raise PeerError(f"tshark {' '.join(words)}: {result.stderr.strip()}")
    return result.stdout


def tshark_fields(capture: Path, display_filter: str, *fields: str) -> list[tuple[str, ...]]:
    """One tuple per packet that `display_filter` lets through: the fields' values as text.

    A field that a packet does not have is empty; one that it has often is joined by commas.
    """
    columns = [word for name in fields for word in ("-e", name)]
    text = tshark(capture, "-Y", display_filter, "-T", "fields", "-E", "separator=\t", *columns)
    return [tuple(line.split("\t")) for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class RtpStream:
    """One direction of one RTP stream, as tshark judges it. Times in milliseconds."""

    start_s: float
    end_s: float
    source: tuple[str, int]
    destination: tuple[str, int]
    ssrc: int
    payloads: str
    packets: int
    lost: int
    mean_delta_ms: float
    max_delta_ms: float
    mean_jitter_ms: float
    max_jitter_ms: float

    @property
    def packets_per_second(self) -> float:
        return (self.packets - 1) / (self.end_s - self.start_s) if self.packets > 1 else 0.0


_STREAM = re.compile(
    r"^\s*(?P<start>[\d.]+)\s+(?P<end>[\d.]+)\s+(?P<source>\S+)\s+(?P<source_port>\d+)\s+"
    r"(?P<destination>\S+)\s+(?P<destination_port>\d+)\s+(?P<ssrc>0x[\dA-Fa-f]+)\s+"
    r"(?P<payloads>.+?)\s+(?P<packets>\d+)\s+(?P<lost>-?\d+) \(\S+%\)\s+"
    r"(?P<figures>[\d.]+(?:\s+[\d.]+){5})"
)


def rtp_streams(capture: Path) -> list[RtpStream]:
    """Every RTP stream of a capture, in the order of their first packets."""
    found = []
    for line in tshark(capture, "-q", "-z", "rtp,streams").splitlines():
        match = _STREAM.match(line)
        if match is None:
            continue
        _, mean_delta, max_delta, _, mean_jitter, max_jitter = map(float, match["figures"].split())
        stream = RtpStream(
            start_s=float(match["start"]),
            end_s=float(match["end"]),
            source=(match["source"], int(match["source_port"])),
            destination=(match["destination"], int(match["destination_port"])),
            ssrc=int(match["ssrc"], 16),
            payloads=match["payloads"],
            packets=int(match["packets"]),
            lost=int(match["lost"]),
            mean_delta_ms=mean_delta,
            max_delta_ms=max_delta,
            mean_jitter_ms=mean_jitter,
            max_jitter_ms=max_jitter,
        )
        found.append(stream)
    return sorted(found, key=lambda stream: stream.start_s)
