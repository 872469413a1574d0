"""rtpengine as a peer: it only passes packets on, so it is a mark from beside, not an equal.

One of its calls has two legs. Each leg counts as one call here: like a call of ours it takes 50
packets a second and sends 50. Its ng protocol is bencoded dictionaries over UDP.
"""

import asyncio
import os
import re
import socket
import time
from pathlib import Path

from bench import rig
from bench.rig import Plan, RigError

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=rtcp:{rtcp}\r\n"
)
START_S = 5.0

_PORT = re.compile(r"m=audio (\d+)")


class Relay:
    """rtpengine in userspace, one thread for media."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._cookie = 0
        self.pid = process.pid
        self.ports: list[int] = []
        self.idle_kib = 0

    @classmethod
    async def start(cls, plan: Plan, first: int, peers: int, folder: Path) -> "Relay":
        """Legs in pairs between the speakers on ports from `peers`."""
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        control.settimeout(1.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        control.connect(("127.0.0.1", port))
        with rig.subject_place():
            process = await asyncio.create_subprocess_exec(
                *("rtpengine", "--table=-1", "--foreground", "--log-stderr", "--log-level=2"),
                *("--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}", "--num-threads=1"),
                *(f"--port-min={first}", f"--port-max={first + 2 * plan.calls + 90}"),
                f"--pidfile={folder / 'pid'}",
                stderr=asyncio.subprocess.DEVNULL,
            )
        relay = cls(process, control)
        await relay._up()
        rig.raise_priority(process.pid, os.SCHED_RR, 1)
        relay.idle_kib = rig.resident_kib(process.pid)
        for leg in range(0, plan.calls, 2):
            relay._connect(leg, peers + 2 * leg, peers + 2 * leg + 2)
        return relay

    async def stop(self) -> int | None:
        self._control.close()
        self._process.terminate()
        await self._process.wait()
        return None

    async def _up(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                self._ask({"command": "ping"})
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return
        raise RigError("rtpengine did not start")

    def _connect(self, leg: int, one: int, other: int) -> None:
        """A call between the speakers at two ports."""
        call = {"call-id": f"c{leg}", "from-tag": "a", "ICE": "remove"}
        for_other = self._ask({**call, "command": "offer", "sdp": _sdp(one)})
        for_one = self._ask({**call, "command": "answer", "to-tag": "b", "sdp": _sdp(other)})
        self.ports += [int(_PORT.findall(told)[0]) for told in (for_one, for_other)]

    def _ask(self, what: dict[str, str]) -> str:
        self._cookie += 1
        items = "".join(
            f"{len(k.encode())}:{k}{len(v.encode())}:{v}" for k, v in sorted(what.items())
        )
        self._control.send(f"{self._cookie} d{items}e".encode())
        reply = self._control.recv(65_536).decode()
        if "6:result5:error" in reply:
            raise RigError(f"rtpengine refused a call: {reply}")
        return reply


def _sdp(port: int) -> str:
    return SDP.format(port=port, rtcp=port + 1)
