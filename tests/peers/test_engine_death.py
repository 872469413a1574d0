"""A media process is killed under live calls: those calls end and say why, all others go on."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from aywa.codecs import wav
from tests.peers import call_records as records
from tests.peers.capture import rtp_streams
from tests.peers.places import Place, wait_until
from tests.peers.raw_caller import RawCaller
from tests.peers.runtime_process import RuntimeProcess

pytestmark = pytest.mark.peers

DIED = "call.in-progress.error-vapifault-worker-died"
RESTART_S = 2.0


@pytest.fixture
def runtime(loopback: Place) -> Iterator[RuntimeProcess]:
    """With two media processes."""
    yield RuntimeProcess.start(
        loopback, max_calls=4, environ={"RUNTIME_MEDIA_PROCESSES": "2", "RUNTIME_LOG_LEVEL": "info"}
    )


def engines(runtime: RuntimeProcess) -> list[int]:
    """The process ids, in the order of their starts."""
    said = re.findall(r"media process (\d+) runs", runtime.log.read_text())
    return [int(number) for number in said]


def metric(runtime: RuntimeProcess, name: str) -> list[float]:
    """The values of all engines."""
    text = runtime.request("GET", "/metrics").body.decode()
    return [
        float(value)
        for value in re.findall(rf'^runtime_media_{name}{{engine="\d+"}} (\S+)$', text, re.M)
    ]


def test_the_calls_of_a_killed_media_process_end_and_the_others_go_on(
    runtime: RuntimeProcess,
) -> None:
    def caller() -> RawCaller:
        return RawCaller(runtime.sip_address)

    with caller() as one, caller() as other, caller() as third:
        calls = {one.call().header("X-Call-Id") or "": one}
        calls[other.call().header("X-Call-Id") or ""] = other
        for call_id in calls:
            recording = runtime.data_dir / "calls" / call_id / "stereo.wav"
            wait_until(lambda r=recording: r.exists() and r.stat().st_size > 64_000, "a recording")
        assert metric(runtime, "streams") == [1, 1]

        killed = time.monotonic()
        os.kill(engines(runtime)[0], signal.SIGKILL)
        wait_until(lambda: any(records.call(runtime, c)["status"] == "ended" for c in calls), "end")
        [dead] = [c for c in calls if records.call(runtime, c)["status"] == "ended"]
        [alive] = [c for c in calls if c != dead]

        document = records.call(runtime, dead)
        assert document["endedReason"] == DIED
        assert document["endedMessage"].startswith("The call lost its audio: the media process")
        items = records.timeline(runtime, dead)
        [lost] = [item for item in items if item["type"] == "stream-lost"]
        assert lost["source"] == "warning"
        assert str(engines(runtime)[0]) in lost["data"]["reason"]
        assert not records.data_of(items, "stream-report")
        [repaired] = records.data_of(items, "recording-repaired")
        folder = runtime.data_dir / "calls" / dead
        assert len(wav.read(folder / "stereo.wav").pcm) == repaired["kept"] > 16_000
        assert [s.packets > 50 for s in rtp_streams(folder / "call.pcap")] == [True, True]

        wait_until(lambda: metric(runtime, "up") == [1, 1], "another media process", RESTART_S)
        assert third.call().status == 200
        assert time.monotonic() - killed < RESTART_S + 1
        assert sorted(metric(runtime, "deaths")) == [0, 1]
        assert runtime.is_ready()

        heard = calls[alive].voice.heard
        wait_until(lambda: calls[alive].voice.heard > heard + 50, "audio of the other call")
        assert records.call(runtime, alive)["status"] == "in-progress"
        assert calls[alive].ask("BYE").status == 200
        document = records.wait_status(runtime, alive, "ended")
        assert document["endedReason"] == "customer-ended-call"
        [report] = records.data_of(records.timeline(runtime, alive), "stream-report")
        assert report["lost"] == 0
        assert third.ask("BYE").status == 200


def test_without_any_media_process_callers_are_told_when_to_come_back(
    loopback: Place,
) -> None:
    runtime = RuntimeProcess.start(loopback, max_calls=2)
    with RawCaller(runtime.sip_address) as first, RawCaller(runtime.sip_address) as second:
        first.call()
        os.kill(engines(runtime)[-1], signal.SIGSTOP)  # it hangs: no longer heard of
        wait_until(lambda: not runtime.is_ready(), "the runtime to notice")
        said = runtime.request("GET", "/readyz").json()["checks"]["media"]
        assert said == "No media process runs; one is being started."
        refused = second.ask("INVITE", second.offer())
        assert refused.status == 503
        assert int(refused.header("Retry-After") or 0) > 0
        wait_until(runtime.is_ready, "another media process")
    with RawCaller(runtime.sip_address) as third:
        assert third.call().status == 200
        assert third.ask("BYE").status == 200
