"""A call over TLS with SRTP, from a phone of somebody else's making."""

from pathlib import Path

import numpy as np
import pytest

from aywa.codecs import wav
from aywa.media.sdp.crypto import KEY_OCTETS
from tests.peers import call_records as records
from tests.peers.baresip import Baresip
from tests.peers.certificates import Authority
from tests.peers.melody import likeness, melody
from tests.peers.places import NetworkNamespace, Place
from tests.peers.rtpengine import SECURED, BorderController
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.scenario import answered, call, expect_request, invite, reply, sdp
from tests.peers.sipp import Sipp
from tests.peers.test_trunks import add_trunk, demo_assistant

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


@pytest.mark.parametrize("dialed", [False, True])
def test_a_call_whose_keys_are_agreed_on_by_dtls(
    namespace: NetworkNamespace, phones: None, dialed: bool
) -> None:
    runtime = RuntimeProcess.start(namespace, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    sound = melody(namespace.folder / "melody.wav")
    phone = Baresip.start(namespace, None, "alice", sound, encryption="dtls_srtp")
    if dialed:
        _be_dialed(runtime, phone, namespace.address)
    else:
        phone.dial(runtime.sip_uri())
    phone.wait_event("CALL_CLOSED")
    call = records.wait_latest(runtime, "ended")
    kept = namespace.folder / "stereo.wav"
    stereo = records.download(runtime, f"/call/{call['id']}/recording/stereo", kept)
    left, right = wav.read(stereo).pcm.T
    assert likeness(left, wav.read(sound).mono()) > 0.99
    assert likeness(right, wav.read(phone.heard()).mono()) > 0.99
    pcap = records.download(runtime, f"/call/{call['id']}/pcap", namespace.folder / "kept.pcap")
    assert b"UDP/TLS/RTP/SAVP" in pcap.read_bytes()
    timeline = records.timeline(runtime, call["id"])
    [secured] = records.data_of(timeline, "secured")
    assert secured["suite"] in KEY_OCTETS
    [report] = records.data_of(timeline, "stream-report")
    assert report["malformed"] == 0
    assert report["unauthentic"] <= 1  # baresip says goodbye in the clear
    assert report["packets_received"] > 100
    assert report["round_trip_ms"] is not None  # RTCP came and went on the same port


def _be_dialed(runtime: RuntimeProcess, phone: Baresip, address: str) -> None:
    """Have the runtime call the phone by a trunk that offers DTLS."""
    sip = {"mediaEncryption": "required", "mediaKeying": "dtls", "codecs": ["pcmu"]}
    gateway = {"ip": address, "port": phone.port}
    trunk = {"provider": "byo-sip-trunk", "gateways": [gateway], "sip": sip}
    number = runtime.request("GET", "/phone-number").json()[0]["id"]
    bound = {"credentialId": add_trunk(runtime, trunk)}
    assert runtime.request("PATCH", f"/phone-number/{number}", bound).status == 200
    body = {
        "assistantId": demo_assistant(runtime),
        "phoneNumberId": number,
        "customer": {"sipUri": f"sip:alice@{address}:{phone.port}"},
    }
    answer = runtime.request("POST", "/call", body)
    assert answer.status == 201, answer.body
    phone.wait_event("CALL_ESTABLISHED")


@pytest.mark.parametrize("secured", sorted(SECURED))
def test_a_border_controller_that_secures_plain_calls(
    namespace: NetworkNamespace, phones: None, border: None, secured: str
) -> None:
    runtime = RuntimeProcess.start(namespace, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    controller = BorderController.start(namespace, runtime.sip_port, secured)
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
    assert secured.encode() in pcap.read_bytes()


def test_a_caller_that_agrees_on_no_keys_is_told_goodbye(loopback: Place, sipp: None) -> None:
    runtime = RuntimeProcess.start(loopback, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    fingerprint = "a=fingerprint:sha-256 " + ":".join(["00"] * 32)
    offer = sdp(lines=("a=setup:passive", fingerprint, "a=rtcp-mux"))
    offer = offer.replace("RTP/AVP", "UDP/TLS/RTP/SAVP")
    steps = (invite(body=offer), *answered(), expect_request("BYE"), reply(200))
    scenario = call(loopback.folder, "keyless", *steps)
    target = f"{loopback.address}:{runtime.sip_port}"
    Sipp.start(loopback, scenario, target, extra=("-s", "demo")).finish()
    over = records.wait_latest(runtime, "ended")
    assert over["endedReason"] == "call.in-progress.error-sip-inbound-call-failed-to-connect"
    assert "DTLS handshake failed: the peer did not answer" in over["endedMessage"]
