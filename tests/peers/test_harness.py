"""The harness itself: peers call each other, and the capture shows what they did."""

import socket
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.peers.baresip import Baresip
from tests.peers.capture import Capture, rtp_streams, tshark_fields
from tests.peers.kamailio import Kamailio
from tests.peers.places import NetworkNamespace, PeerError, Place
from tests.peers.sipp import Sipp

pytestmark = pytest.mark.peers

RATE = 8000
SPEECH_S = 2.0


def test_sipp_calls_sipp_and_the_capture_shows_every_packet(
    loopback: Place, sipp: None, start_capture: Callable[..., Capture]
) -> None:
    called = Sipp.start(loopback, "uas", extra=("-rtp_echo",))
    ports = f"portrange {called.media_port}-{called.media_port + 3} or udp port {called.port}"
    capture = start_capture(loopback, ports)
    caller = Sipp.start(loopback, "uac_pcap", f"127.0.0.1:{called.port}")
    caller.finish()
    called.finish()
    path = capture.stop()

    methods = [m for (m,) in tshark_fields(path, "sip.Method", "sip.Method")]
    assert methods == ["INVITE", "ACK", "BYE"]
    sent = [s for s in rtp_streams(path) if s.destination == ("127.0.0.1", called.media_port)]
    assert max(s.packets for s in sent) > 200
    speech = max(sent, key=lambda s: s.packets)
    assert speech.packets_per_second == pytest.approx(1 / 0.030, rel=0.02)  # SIPp's own ptime
    assert speech.lost == 0


def test_two_phones_talk_through_kamailio(
    namespace: NetworkNamespace, phones: None, start_capture: Callable[..., Capture]
) -> None:
    speech = _write_speech(namespace.folder / "speech.wav")
    kamailio = Kamailio.start(namespace)
    answering = Baresip.start(namespace, kamailio, "bob", speech)
    calling = Baresip.start(namespace, kamailio, "alice", speech)
    capture = start_capture(namespace)
    calling.dial("sip:bob@trunk.test")
    calling.wait_event("CALL_CLOSED")
    answering.wait_event("CALL_CLOSED")
    path = capture.stop()

    challenged = tshark_fields(path, "sip.Status-Code == 407", "sip.CSeq.method")
    assert challenged == [("INVITE",)]
    assert [s.packets_per_second for s in rtp_streams(path)] == [pytest.approx(50, abs=2)] * 2
    for phone in (calling, answering):
        assert _likeness(_read(phone.heard()), _read(speech)) > 0.99


def test_a_namespace_is_a_network_of_its_own(namespace: NetworkNamespace) -> None:
    with namespace.inside(), socket.create_server(("192.0.2.10", 5060)) as server:
        assert server.getsockname() == ("192.0.2.10", 5060)
    with (
        pytest.raises(OSError, match="assign requested address"),
        socket.create_server(("192.0.2.10", 5060)),
    ):
        pass


def test_what_a_program_said_last_is_in_the_error(loopback: Place) -> None:
    program = loopback.start("sh", ["sh", "-c", "echo no such trunk; exit 3"])
    with pytest.raises(PeerError, match=r"ended before .*\n.*no such trunk"):
        program.wait_for("registered")
    assert program.wait() == 3


def _write_speech(path: Path) -> Path:
    """Two seconds of a melody that nothing else resembles."""
    chance = np.random.default_rng(1)
    notes = chance.uniform(300, 1200, 20).repeat(int(SPEECH_S * RATE) // 20)
    samples = np.sin(2 * np.pi * np.cumsum(notes) / RATE) * 8000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def _read(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(-1), "<i2").astype(np.float64)


def _likeness(heard: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    """The best normalised correlation of the middle of `said` anywhere in `heard`."""
    part = said[len(said) // 4 : len(said) // 2]
    size = len(heard) + len(part)
    scores = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(part, size)), size)
    power = np.convolve(heard**2, np.ones(len(part)), "valid")
    scores = scores[: len(power)] / np.sqrt(np.maximum(power, 1.0) * np.sum(part**2))
    return float(scores.max())
