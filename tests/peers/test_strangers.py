"""Who gets no answer, what is not called, and what happens when there is no room."""

import socket
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.peers import call_records as records
from tests.peers.capture import Capture, tshark_fields
from tests.peers.carrier import Carrier
from tests.peers.places import NetworkNamespace, Place
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.scenario import answered, call, ended, expect, invite, pause, request
from tests.peers.sipp import Sipp
from tests.peers.test_trunks import add_number, add_trunk, demo_assistant, registered

pytestmark = pytest.mark.peers

SILENT = {"VOICE_PIPELINE_STT_ENABLED": "false"}
NOBODY = SILENT | {"RUNTIME_SIP_TRUSTED": "none"}


def metric(runtime: RuntimeProcess, name: str) -> float:
    text = runtime.request("GET", "/metrics").body.decode()
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def asked(runtime: RuntimeProcess, message: str) -> bytes | None:
    """What a raw message over UDP is answered within half a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(0.5)
        one.sendto(message.replace("\n", "\r\n").encode(), ("127.0.0.1", runtime.sip_port))
        try:
            return one.recv(65_535)
        except TimeoutError:
            return None


OPTIONS = """OPTIONS sip:demo@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1;rport
From: <sip:x@127.0.0.1>;tag=1
To: <sip:demo@127.0.0.1>
Call-ID: 1
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

"""


def test_a_known_peer_is_answered_and_a_scanner_is_not(loopback: Place, scanners: None) -> None:
    known = RuntimeProcess.start(loopback, environ=SILENT)
    sipsak = ["sipsak", "-s", f"sip:demo@127.0.0.1:{known.sip_port}"]
    assert subprocess.run(sipsak, check=False, timeout=20).returncode == 0
    known.stop()
    runtime = RuntimeProcess.start(loopback, environ=NOBODY)
    port = str(runtime.sip_port)
    for command in (
        ["svmap", "-p", port, "127.0.0.1"],
        ["svwar", "-p", port, "-e", "100-105", "--force", "127.0.0.1"],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert "reqauth" not in ran.stdout + ran.stderr
        assert f"127.0.0.1:{port}" not in ran.stdout
    bye = OPTIONS.replace("OPTIONS", "BYE").replace(
        "To: <sip:demo@127.0.0.1>", "To: <sip:a@b>;tag=2"
    )
    for message in (OPTIONS, bye, "nonsense\n\n", OPTIONS.replace("CSeq: 1", "CSeq: x")):
        assert asked(runtime, message) is None
    assert metric(runtime, "runtime_sip_strangers") >= 5


def test_what_nobody_permitted_is_not_called(
    loopback: Place, phones: None, start_capture: Callable[..., Capture]
) -> None:
    carrier = Carrier.start(loopback)
    environ = SILENT | {"RUNTIME_SIP_COUNTRIES": "49", "RUNTIME_SIP_TARGETS": "none"}
    runtime = RuntimeProcess.start(loopback, environ=environ)
    limits = {"limits": {"callsPerSecond": 1}, "destinations": {"deny": ["4930"]}}
    trunk = add_trunk(runtime, carrier.trunk("alice", sip=limits))
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)
    number = add_number(runtime, trunk, "alice")
    capture = start_capture(loopback, f"udp port {carrier.port}")
    refused = {}
    for customer in (
        {"number": "+380441234567"},
        {"number": "+49900123456"},
        {"number": "+4930123456"},
        {"number": "110", "numberE164CheckEnabled": False},
        {"sipUri": "sip:x@192.0.2.9"},
    ):
        body = {"assistantId": demo_assistant(runtime), "phoneNumberId": number}
        answer = runtime.request("POST", "/call", body | {"customer": customer})
        assert answer.status == 400, answer.body
        refused[str(customer)] = str(answer.json()["message"])
    reasons = " ".join(refused.values())
    for word in ("RUNTIME_SIP_COUNTRIES", "premium", "denies", "emergency", "RUNTIME_SIP_TARGETS"):
        assert word in reasons, refused
    fine = {"assistantId": demo_assistant(runtime), "phoneNumberId": number}
    fine["customer"] = {"number": "+4989123456"}
    statuses = [runtime.request("POST", "/call", fine).status for _ in range(3)]
    assert statuses[0] == 201
    assert statuses[-1] == 429
    crossed = capture.stop()
    calls = tshark_fields(crossed, "sip.Method == INVITE", "sip.r-uri.user", "sip.Call-ID")
    assert {user for user, _ in calls} == {"4989123456"}
    shown = runtime.request("GET", f"/credential/{trunk}/status").json()
    assert len(shown["refusals"]) >= 4
    assert "costly-number" in {refusal.get("code") for refusal in shown["refusals"]}


def test_a_full_house_says_when_to_come_again(loopback: Place, sipp: None) -> None:
    low, high = loopback.free_range(8)  # a freed port rests for a while
    environ = SILENT | {"RUNTIME_RTP_PORTS": f"{low}-{high}"}
    runtime = RuntimeProcess.start(loopback, max_calls=2, environ=environ)
    target = f"127.0.0.1:{runtime.sip_port}"
    long = call(loopback.folder, "long", invite(), *answered(), pause(3000), *ended())
    first = Sipp.start(loopback, long, target, calls=2, extra=("-s", "demo", "-r", "10"))
    runtime.program.watch(lambda: metric(runtime, "runtime_calls_active") == 2, "two calls", 10)
    turned = call(loopback.folder, "turned", invite(), expect(503), request("ACK", 1, first=True))
    third = Sipp.start(loopback, turned, target, extra=("-s", "demo"))
    third.finish()
    assert "Retry-After: 5" in third.received("SIP/2.0 503")[0]
    first.finish()
    runtime.program.watch(lambda: metric(runtime, "runtime_calls_active") == 0, "no call", 10)
    again = call(loopback.folder, "again", invite(), *answered(), *ended())
    Sipp.start(loopback, again, target, extra=("-s", "demo")).finish()


def test_a_stop_lets_live_calls_end(loopback: Place, sipp: None, phones: None) -> None:
    carrier = Carrier.start(loopback)
    runtime = RuntimeProcess.start(loopback, environ=SILENT | {"RUNTIME_DRAIN_SECONDS": "20"})
    trunk = add_trunk(runtime, carrier.trunk("alice"))
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)
    target = f"127.0.0.1:{runtime.sip_port}"
    long = call(loopback.folder, "long", invite(), *answered(), pause(4000), *ended())
    caller = Sipp.start(loopback, long, target, extra=("-s", "demo"))
    records.wait_latest(runtime, "in-progress")
    runtime.program.process.terminate()
    time.sleep(0.5)
    refused = call(loopback.folder, "refused", invite(), expect(503), request("ACK", 1, first=True))
    Sipp.start(loopback, refused, target, extra=("-s", "demo")).finish()
    placed = {"assistantId": demo_assistant(runtime), "customer": {"sipUri": "sip:x@127.0.0.1:9"}}
    placed["phoneNumberId"] = runtime.request("GET", "/phone-number").json()[0]["id"]
    assert runtime.request("POST", "/call", placed).status == 503
    assert len(carrier.bindings()) == 1
    caller.finish()
    assert runtime.program.wait(15) == 0
    assert carrier.bindings() == []


def test_only_the_advertised_address_leaves(
    namespace: NetworkNamespace, sipp: None, start_capture: Callable[..., Capture]
) -> None:
    advertised = "198.51.100.7"
    environ = SILENT | {"RUNTIME_SIP_ADVERTISED_HOST": advertised}
    runtime = RuntimeProcess.start(namespace, environ=environ)
    target = f"{namespace.address}:{runtime.sip_port}"
    capture = start_capture(namespace, f"udp port {runtime.sip_port}")
    # The Contact is somebody else's address, so the call ends by our giving up on the ACK.
    scenario = call(
        namespace.folder,
        "advertised",
        invite(),
        expect(100, optional=True),
        expect(180, optional=True),
        expect(200),
    )
    Sipp.start(namespace, scenario, target, extra=("-s", "demo")).finish()
    crossed = capture.stop()
    ours = f"udp.srcport == {runtime.sip_port} && sip.Status-Code == 200"
    shown = tshark_fields(
        crossed, ours, "sip.contact.host", "sdp.connection_info.address", "sdp.owner.address"
    )
    assert shown
    assert {address for row in shown for address in row} == {advertised}
