"""Calls from PJSIP, which demands reliable responses and session timers."""

import json
import sys

import numpy as np
import pytest

from aywa.codecs import wav
from tests.peers import call_records as records
from tests.peers.melody import likeness, melody
from tests.peers.places import Place
from tests.peers.runtime_process import REPOSITORY, RuntimeProcess

pytestmark = pytest.mark.peers

pytest.importorskip("pjsua2", reason="PJSIP's wheel is for Python 3.11")


@pytest.mark.parametrize("srtp", [False, True], ids=["plain", "srtp"])
def test_a_call_that_is_held_and_resumed(loopback: Place, srtp: bool) -> None:
    runtime = RuntimeProcess.start(loopback, environ={"VOICE_PIPELINE_STT_ENABLED": "false"})
    heard = loopback.folder / "heard.wav"
    sound = melody(loopback.folder / "melody.wav")
    plan = {
        "address": "127.0.0.1",
        "port": loopback.free_port(),
        "rtp": loopback.free_range(10)[0],
        "target": runtime.sip_uri(),
        "sound": str(sound),
        "heard": str(heard),
        "srtp": srtp,
        "steps": ["wait 5", "hold", "wait 1", "resume", "wait 1", "update", "wait 1", "hangup"],
    }
    command = [sys.executable, "-m", "tests.peers.pjsua", json.dumps(plan)]
    phone = loopback.start("pjsua", command, cwd=REPOSITORY)
    assert phone.wait(40) == 0, phone.tail()
    call = records.wait_latest(runtime, "ended")
    assert call["endedReason"] == "customer-ended-call"
    kept = loopback.folder / "stereo.wav"
    stereo = records.download(runtime, f"/call/{call['id']}/recording/stereo", kept)
    left, _ = wav.read(stereo).pcm.T
    part = wav.read(sound).mono()[: 4 * 8_000]
    assert likeness(left, part) > 0.98
    assert np.abs(wav.read(heard).mono()).max() > 2_000
    items = records.timeline(runtime, call["id"])
    holds = [item["direction"] for item in records.data_of(items, "hold")]
    assert holds == ["recvonly", "sendrecv"]
    log = phone.log.read_text()
    assert "state CONFIRMED 200" in log
    [report] = records.data_of(items, "stream-report")
    assert report["unauthentic"] == 0
