"""Calls that are refused, disturbed or cut off, over real sockets."""

import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aywa.codecs import wav
from tests.peers import call_records as records
from tests.peers.capture import rtp_streams, tshark_fields
from tests.peers.places import Place, wait_until
from tests.peers.raw_caller import HOST, RawCaller, mutated, rtp_packet
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.sipp import Sipp

pytestmark = pytest.mark.peers

SILENCE_TIMEOUT_S = 10


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    """One runtime for the tests that leave it as it was."""
    with Place(tmp_path_factory.mktemp("standing")) as place:
        yield RuntimeProcess.start(place)


def _caller(runtime: RuntimeProcess, user: str = "demo") -> RawCaller:
    return RawCaller(runtime.sip_address, user)


def test_an_unknown_number_is_not_found(standing: RuntimeProcess) -> None:
    with _caller(standing, "nobody") as caller:
        assert caller.ask("INVITE", caller.offer()).status == 404


def test_an_offer_without_g711_is_not_acceptable(standing: RuntimeProcess) -> None:
    with _caller(standing) as caller:
        assert caller.ask("INVITE", caller.offer("18 101")).status == 488


def test_a_body_of_another_kind_is_an_unsupported_media_type(standing: RuntimeProcess) -> None:
    with _caller(standing) as caller:
        response = caller.ask("INVITE", "hello", "Content-Type: text/plain\r\n")
        assert response.status == 415
        assert "application/sdp" in (response.header("Accept") or "")


def test_a_required_extension_is_named_as_unsupported(standing: RuntimeProcess) -> None:
    with _caller(standing) as caller:
        response = caller.ask("INVITE", caller.offer(), "Require: wormhole\r\n")
        assert response.status == 420
        assert response.header("Unsupported") == "wormhole"


def test_a_request_of_no_dialog_is_told_so(standing: RuntimeProcess) -> None:
    with _caller(standing) as caller:
        caller.to_tag = "never-was"
        assert caller.ask("BYE").status == 481


def test_a_session_description_that_breaks_off_is_refused(standing: RuntimeProcess) -> None:
    for length in (8, 40, 75):
        with _caller(standing) as caller:
            assert caller.ask("INVITE", caller.offer()[:length]).status in (400, 488)


def test_an_invite_without_a_body_is_made_an_offer(standing: RuntimeProcess) -> None:
    with _caller(standing) as caller:
        caller.send(caller.text("INVITE"))
        response = caller.final("INVITE")
        assert response.status == 200
        assert "m=audio" in response.text
        assert "PCMU/8000" in response.text
        caller.to_tag = (response.header("To") or "").partition(";tag=")[2]
        caller.send(caller.text("ACK", caller.offer("0"), cseq=caller.cseq))
        records.wait_latest(standing, "in-progress")
        wait_until(lambda: _readable(caller.rtp), "audio")
        assert caller.ask("BYE").status == 200
    records.wait_latest(standing, "ended")


def _readable(rtp: socket.socket) -> bool:
    rtp.setblocking(False)
    try:
        return bool(rtp.recv(2_048))
    except BlockingIOError:
        return False


def test_broken_messages_do_not_touch_a_call(standing: RuntimeProcess) -> None:
    chance = random.Random(4711)
    with _caller(standing) as caller, _caller(standing) as vandal:
        call_id = caller.call().header("X-Call-Id") or ""
        for _ in range(200):
            method = chance.choice(["INVITE", "BYE", "OPTIONS", "CANCEL", "ACK", "INFO"])
            body = vandal.offer() if method == "INVITE" else ""
            vandal.send(mutated(vandal.text(method, body).encode(), chance))
            vandal.call_id = f"{chance.getrandbits(64):x}"
            time.sleep(0.005)  # the receive buffer of a busy machine must not swallow them
        assert vandal.ask("OPTIONS").status == 200
        records.wait_item(standing, call_id, "assistant-turn")
        assert records.call(standing, call_id)["status"] == "in-progress"
        assert caller.ask("BYE").status == 200
    document = records.wait_status(standing, call_id, "ended")
    assert document["endedReason"] == "customer-ended-call"
    [report] = records.data_of(records.timeline(standing, call_id), "stream-report")
    assert report["lost"] == report["malformed"] == 0
    path = records.download(
        standing, f"/call/{call_id}/pcap", standing.place.folder / "untouched.pcap"
    )
    ours = [s for s in rtp_streams(path) if s.source == caller.remote_rtp]
    assert [s.packets_per_second for s in ours] == [pytest.approx(50, abs=0.5)]
    _hang_up_everything(standing)


def _hang_up_everything(runtime: RuntimeProcess) -> None:
    for call in records.calls(runtime):
        if call["status"] != "ended":
            runtime.request("POST", f"/call/{call['id']}/control", {"type": "end-call"})
            records.wait_status(runtime, call["id"], "ended")


def test_packets_of_strangers_and_of_other_codecs_are_counted(standing: RuntimeProcess) -> None:
    with (
        _caller(standing) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        call_id = caller.call().header("X-Call-Id") or ""
        assert caller.remote_rtp
        records.wait_item(standing, call_id, "peer-locked")
        stranger.bind((HOST, 0))
        for number in range(60):
            stranger.sendto(rtp_packet(number, b"\x00" * 160, ssrc=0xBAD), caller.remote_rtp)
            caller.rtp.sendto(rtp_packet(9_000 + number, payload_type=18), caller.remote_rtp)
        stranger.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stranger.recv(2_048)
        assert caller.ask("BYE").status == 200
    records.wait_status(standing, call_id, "ended")
    [report] = records.data_of(records.timeline(standing, call_id), "stream-report")
    assert report["strangers"] == 60
    assert report["wrong_payload_type"] == 60


def test_a_caller_that_vanishes_is_given_up(loopback: Place, sipp: None) -> None:
    runtime = RuntimeProcess.start(loopback)
    records.change_demo(
        runtime, {"silenceTimeoutSeconds": SILENCE_TIMEOUT_S, "firstMessage": "Hello."}
    )
    caller = Sipp.start(loopback, "uac_pcap", f"{HOST}:{runtime.sip_port}", extra=("-s", "demo"))
    call = records.wait_latest(runtime, "in-progress")
    records.wait_item(runtime, call["id"], "peer-locked")
    caller.program.kill()
    gone = time.monotonic()
    call = records.wait_status(runtime, call["id"], "ended", SILENCE_TIMEOUT_S + 10)
    assert time.monotonic() - gone < SILENCE_TIMEOUT_S + 5
    assert call["endedReason"] == "silence-timed-out"


def test_a_full_house_says_when_to_come_back(loopback: Place) -> None:
    first_port, last_port = loopback.free_range(8)  # a port rests for a while after a call
    runtime = RuntimeProcess.start(
        loopback, max_calls=1, environ={"RUNTIME_RTP_PORTS": f"{first_port}-{last_port}"}
    )
    with _caller(runtime) as first, _caller(runtime) as second:
        first.call()
        response = second.ask("INVITE", second.offer())
        assert response.status == 503
        assert int(response.header("Retry-After") or 0) > 0
        assert first.ask("BYE").status == 200
    records.wait_latest(runtime, "ended")
    with _caller(runtime) as third:
        third.call()
        third.ask("BYE")


def test_ports_that_rest_after_a_call_say_when_to_come_back(loopback: Place) -> None:
    runtime = RuntimeProcess.start(loopback, max_calls=1)  # with a single pair of ports
    with _caller(runtime) as first, _caller(runtime) as second:
        first.call()
        assert first.ask("BYE").status == 200
        records.wait_latest(runtime, "ended")
        response = second.ask("INVITE", second.offer())
    assert response.status == 503
    assert "RUNTIME_RTP_PORTS" in response.text
    assert int(response.header("Retry-After") or 0) > 0


@pytest.mark.parametrize(
    ("taken", "named"),
    [("RUNTIME_HTTP_PORT", "http_port"), ("RUNTIME_SIP_PORT", "sip_port"), ("", "data_dir")],
)
def test_a_second_runtime_names_what_is_taken(
    standing: RuntimeProcess, tmp_path: Path, taken: str, named: str
) -> None:
    value = str(getattr(standing, named))
    with Place(tmp_path) as place:
        second = RuntimeProcess.launch(
            place,
            data_dir=None if taken else standing.data_dir,
            environ={taken: value} if taken else None,
        )
        assert second.program.wait() > 0
        said = second.program.output()
    assert value in said
    assert "Traceback" not in said
    assert (taken or "RUNTIME_DATA_DIR") in said
    assert standing.is_ready()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "data" / "calls"
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_costs_the_recording_and_not_the_call(
    small_disk: Path, loopback: Place
) -> None:
    runtime = RuntimeProcess.start(loopback)
    with _caller(runtime) as caller:
        call_id = caller.call().header("X-Call-Id") or ""
        records.wait_item(runtime, call_id, "artifact-failed", count=2)
        heard = caller.voice.heard
        records.wait_item(runtime, call_id, "assistant-turn")
        assert caller.voice.heard > heard + 50
        assert caller.ask("BYE").status == 200
    call = records.wait_status(runtime, call_id, "ended")
    assert call["endedReason"] == "customer-ended-call"
    items: list[dict[str, Any]] = records.timeline(runtime, call_id)
    failed = [item for item in items if item["type"] == "artifact-failed"]
    assert {item["source"] for item in failed} == {"warning"}
    assert {item["data"]["artifact"] for item in failed} == {"recording", "pcap"}
    assert all("No space left" in item["data"]["reason"] for item in failed)


def test_a_power_cut_leaves_an_ended_call_and_readable_files(loopback: Place) -> None:
    runtime = RuntimeProcess.start(loopback)
    with _caller(runtime) as caller:
        call_id = caller.call().header("X-Call-Id") or ""
        recording = runtime.data_dir / "calls" / call_id / "stereo.wav"
        wait_until(lambda: recording.exists() and recording.stat().st_size > 64_000, "a recording")
        runtime.kill9()
    again = RuntimeProcess.start(loopback)
    call = records.call(again, call_id)
    assert (call["status"], call["endedReason"]) == ("ended", "worker-shutdown")
    clip = wav.read(recording)
    assert clip.pcm.shape[1] == 2
    assert len(clip.pcm) >= 16_000
    capture = recording.with_name("call.pcap")
    assert records.malformed(capture) == []
    assert [s.packets > 50 for s in rtp_streams(capture)] == [True, True]
    assert ("INVITE",) in tshark_fields(capture, "sip.Method", "sip.Method")
