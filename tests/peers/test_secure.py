"""A call over TLS with SRTP, from a phone of somebody else's making."""

from pathlib import Path

import numpy as np
import pytest

from aywa.codecs import wav
from tests.peers import call_records as records
from tests.peers.baresip import Baresip
from tests.peers.certificates import Authority
from tests.peers.melody import likeness, melody
from tests.peers.places import NetworkNamespace
from tests.peers.rtpengine import SUITES, BorderController
from tests.peers.runtime_process import RuntimeProcess

pytestmark = pytest.mark.peers

TLS_PORT = 5061


def test_a_call_over_tls_with_srtp(
    namespace: NetworkNamespace, phones: None, tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path).sign("runtime", [namespace.address])
    runtime = RuntimeProcess.start(
        namespace,
        environ={
            "RUNTIME_SIP_TLS_CERTIFICATE": str(certificate),
            "RUNTIME_SIP_TLS_KEY": str(key),
            "RUNTIME_SIP_TLS_PORT": str(TLS_PORT),
            "VOICE_PIPELINE_STT_ENABLED": "false",
        },
    )
    sound = melody(namespace.folder / "melody.wav")
    phone = Baresip.start(namespace, None, "alice", sound, encryption="srtp-mand")
    phone.dial(f"sip:demo@{namespace.address}:{TLS_PORT};transport=tls")
    phone.wait_event("CALL_CLOSED")
    call = records.wait_latest(runtime, "ended")
    folder = namespace.folder
    pcap = records.download(runtime, f"/call/{call['id']}/pcap", folder / "kept.pcap")
    stereo = records.download(
        runtime, f"/call/{call['id']}/recording/stereo", folder / "stereo.wav"
    )
    left, right = wav.read(stereo).pcm.T
    assert likeness(left, wav.read(sound).mono()) > 0.99
    heard = wav.read(phone.heard()).mono()
    assert np.abs(heard).max() > 2_000
    assert likeness(right, heard) > 0.99
    octets = pcap.read_bytes()
    assert b"RTP/SAVP" in octets
    assert b"inline:****" in octets
    [report] = records.data_of(records.timeline(runtime, call["id"]), "stream-report")
    # baresip begins and ends with an RTCP packet in the clear: nothing else is turned away.
    assert report["unauthentic"] <= 2
    assert report["malformed"] == 0
    assert report["packets_received"] > 100


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_a_border_controller_that_secures_plain_calls(
    namespace: NetworkNamespace, phones: None, border: None, suite: str
) -> None:
    runtime = RuntimeProcess.start(namespace, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    controller = BorderController.start(namespace, runtime.sip_port, suite)
    sound = melody(namespace.folder / "melody.wav")
    phone = Baresip.start(namespace, None, "alice", sound)
    phone.dial(f"sip:demo@{namespace.address}:{controller.port}")
    phone.wait_event("CALL_CLOSED")
    call = records.wait_latest(runtime, "ended")
    kept = namespace.folder / "stereo.wav"
    stereo = records.download(runtime, f"/call/{call['id']}/recording/stereo", kept)
    left, right = wav.read(stereo).pcm.T
    assert likeness(left, wav.read(sound).mono()) > 0.99
    assert likeness(right, wav.read(phone.heard()).mono()) > 0.99
    pcap = records.download(runtime, f"/call/{call['id']}/pcap", namespace.folder / "kept.pcap")
    assert f"{suite} inline:****".encode() in pcap.read_bytes()
