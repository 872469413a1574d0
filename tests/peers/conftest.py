"""Real peers around the real runtime. A test that needs an absent tool or root is skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.capture import Capture
from tests.peers.places import NetworkNamespace, Place
from tests.peers.runtime_process import RuntimeProcess


def _need(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; script/setup dev installs it")


def _need_root(reason: str) -> None:
    if os.geteuid() != 0:
        pytest.skip(f"needs root: {reason}")


@pytest.fixture(autouse=True)
def _administrators_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian keeps ip and kamailio where an ordinary user's PATH does not look."""
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/sbin")


@pytest.fixture
def sipp() -> None:
    """SIPp is here."""
    _need("sipp")


@pytest.fixture
def phones() -> None:
    """Kamailio and baresip are here."""
    _need("kamailio", "baresip")


@pytest.fixture
def border() -> None:
    """rtpengine is here."""
    _need("rtpengine")


@pytest.fixture
def scanners() -> None:
    """sipsak and SIPVicious are here."""
    _need("sipsak", "svmap", "svwar")


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Place]:
    """127.0.0.1 of this machine; what was started there is ended."""
    with Place(tmp_path) as place:
        yield place


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[NetworkNamespace]:
    """A network namespace with 192.0.2.10; it and what was started there are removed."""
    _need("ip")
    _need_root("a network namespace is made")
    with NetworkNamespace(tmp_path) as place:
        yield place


@pytest.fixture
def start_capture(tmp_path: Path) -> Callable[..., Capture]:
    """Start a capture in a place: `start_capture(place, "udp")`. Stop it to read it."""
    _need("dumpcap", "tshark")
    _need_root("packets are captured")

    def start(place: Place, capture_filter: str = "") -> Capture:
        return Capture(place, tmp_path / f"capture-{len(place.programs)}.pcap", capture_filter)

    return start


@pytest.fixture
def runtime(loopback: Place) -> RuntimeProcess:
    """The runtime, ready, on free ports of loopback."""
    return RuntimeProcess.start(loopback)
