"""G.722 and Opus, from a phone of somebody else's making."""

import pytest

from aywa.codecs import wav
from tests.peers import call_records as records
from tests.peers.baresip import Baresip
from tests.peers.melody import likeness, melody
from tests.peers.places import NetworkNamespace
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.test_trunks import add_trunk

pytestmark = pytest.mark.peers


@pytest.mark.parametrize(("codec", "name"), [("g722", "G722/16000/1"), ("opus", "opus/48000/2")])
def test_a_call_in_wideband(
    namespace: NetworkNamespace, phones: None, codec: str, name: str
) -> None:
    runtime = RuntimeProcess.start(namespace, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    gateway = {"ip": namespace.address}
    trunk = {"provider": "byo-sip-trunk", "gateways": [gateway], "sip": {"codecs": [codec]}}
    number = runtime.request("GET", "/phone-number").json()[0]["id"]
    bound = {"credentialId": add_trunk(runtime, trunk)}
    assert runtime.request("PATCH", f"/phone-number/{number}", bound).status == 200
    sound = melody(namespace.folder / "melody.wav")
    phone = Baresip.start(namespace, None, "alice", sound, codecs=(name,))
    phone.dial(runtime.sip_uri())
    phone.wait_event("CALL_CLOSED")
    call = records.wait_latest(runtime, "ended")
    kept = namespace.folder / "stereo.wav"
    stereo = records.download(runtime, f"/call/{call['id']}/recording/stereo", kept)
    left, _ = wav.read(stereo).pcm.T
    assert likeness(left, wav.read(sound).mono()) > 0.95
    [report] = records.data_of(records.timeline(runtime, call["id"]), "stream-report")
    assert report["wrong_payload_type"] == 0
