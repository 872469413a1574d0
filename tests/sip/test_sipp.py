"""Calls with a real peer: SIPp calls us, and we call SIPp, over UDP and TCP."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aywa.sip.events import Answered, Ended, Refused
from aywa.sip.leg import Invitation

from .conftest import OFFER
from .test_endpoint import Phone

SIPP = shutil.which("sipp")
CALLS = 20

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(SIPP is None, reason="sipp is not installed"),
]

TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
MODES = {"udp": "u1", "tcp": "t1"}


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    one = await Phone().start()
    yield one
    await one.endpoint.close()


def free_port() -> int:
    """A port that is free for both transports."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other,
            contextlib.suppress(OSError),
        ):
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            other.bind(("127.0.0.1", port))
            return port


@contextlib.asynccontextmanager
async def sipp(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        SIPP or "sipp",
        *("-i", "127.0.0.1", "-p", str(free_port()), "-nostdin", "-timeout", "20s"),
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@TRANSPORTS
async def test_sipp_calls_us(phone: Phone, transport: str, tmp_path: Path) -> None:
    target = f"127.0.0.1:{phone.endpoint.port}"
    how = ("-sn", "uac", "-t", MODES[transport], "-m", str(CALLS), "-r", "50", "-d", "100", target)
    async with sipp(tmp_path, *how) as process:
        assert await asyncio.wait_for(process.wait(), 20) == 0
    for _ in range(CALLS):
        ended = await phone.until(Ended)
        assert ended.reason == "bye"
    assert {m.transport for m in phone.wire} == {transport}
    assert phone.endpoint.counters.refused == {}
    assert phone.endpoint._agent.legs == []


@TRANSPORTS
async def test_we_call_sipp(phone: Phone, transport: str, tmp_path: Path) -> None:
    port = free_port()
    how = ("-sn", "uas", "-t", MODES[transport], "-m", str(CALLS), "-p", str(port))
    async with sipp(tmp_path, *how) as process:
        target = f"sip:service@127.0.0.1:{port};transport={transport}"
        await reachable(phone, target, process)
        for _ in range(CALLS - 1):
            leg = phone.endpoint.invite(Invitation(target, "sip:us@127.0.0.1", OFFER))
            answered = await phone.until(Answered)
            assert answered.leg == leg
            assert answered.body is not None
            assert answered.body.startswith(b"v=0")
            phone.endpoint.bye(leg)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert phone.endpoint._agent.legs == []


async def reachable(phone: Phone, target: str, process: asyncio.subprocess.Process) -> None:
    """Make the first call, as soon as SIPp listens."""
    while process.returncode is None:
        leg = phone.endpoint.invite(Invitation(target, "sip:us@127.0.0.1", OFFER))
        event = await phone.until(Answered, Refused)
        if isinstance(event, Answered):
            phone.endpoint.bye(leg)
            return
        await asyncio.sleep(0.05)  # a real process starts in real time
    pytest.fail(f"SIPp ended with {process.returncode} before it was called")
