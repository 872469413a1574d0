"""Registered trunks against a real registrar (Kamailio), from REST to the wire."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers import call_records as records
from tests.peers.carrier import Carrier
from tests.peers.places import Place
from tests.peers.runtime_process import API_KEY, REPOSITORY, RuntimeProcess
from tests.peers.sipp import Sipp

pytestmark = pytest.mark.peers


def add_trunk(runtime: RuntimeProcess, trunk: Any) -> str:
    made = runtime.request("POST", "/credential", trunk)
    assert made.status == 201, made.body
    return str(made.json()["id"])


def status(runtime: RuntimeProcess, trunk: str) -> Any:
    return runtime.request("GET", f"/credential/{trunk}/status").json()


def registered(runtime: RuntimeProcess, trunk: str) -> Callable[[], bool]:
    return lambda: (status(runtime, trunk).get("registration") or {}).get("state") == "active"


def demo_assistant(runtime: RuntimeProcess) -> str:
    return str(runtime.request("GET", "/assistant").json()[0]["id"])


def add_number(runtime: RuntimeProcess, trunk: str, number: str) -> str:
    body = {
        "provider": "byo-phone-number",
        "number": number,
        "numberE164CheckEnabled": False,
        "credentialId": trunk,
        "assistantId": demo_assistant(runtime),
    }
    made = runtime.request("POST", "/phone-number", body)
    assert made.status == 201, made.body
    return str(made.json()["id"])


def test_a_registered_trunk_from_rest_to_a_call_each_way(
    loopback: Place, sipp: None, phones: None
) -> None:
    carrier = Carrier.start(loopback)
    silent = {"VOICE_PIPELINE_STT_ENABLED": "false", "RUNTIME_SIP_COUNTRIES": "49"}
    runtime = RuntimeProcess.start(loopback, environ=silent)
    trunk = add_trunk(runtime, carrier.trunk("alice"))
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)
    [contact] = carrier.bindings()
    assert ";line=" in contact

    number = add_number(runtime, trunk, "alice")
    caller = Sipp.start(
        loopback,
        "uac",
        f"127.0.0.1:{carrier.port}",
        extra=("-s", "alice", "-d", "300"),
        port=carrier.phone,
    )
    caller.finish()
    call = records.wait_latest(runtime, "ended")
    assert (call["type"], call["phoneNumberId"]) == ("inboundPhoneCall", number)
    assert call["phoneCallProviderDetails"]["sip"]["trunkId"] == trunk

    phone = Sipp.start(loopback, "uas", port=carrier.phone)
    placed = runtime.request(
        "POST",
        "/call",
        {
            "assistantId": demo_assistant(runtime),
            "phoneNumberId": number,
            "customer": {"number": "+4930123456"},
        },
    )
    assert placed.status == 201, placed.body
    records.wait_status(runtime, placed.json()["id"], "in-progress")
    runtime.request("POST", f"/call/{placed.json()['id']}/control", {"type": "end-call"})
    phone.finish()
    assert "INVITE sip:4930123456@" in phone.messages.read_text()

    runtime.stop()
    assert carrier.bindings() == []


def test_a_wrong_password_is_told_and_not_tried_again_and_again(
    loopback: Place, phones: None
) -> None:
    carrier = Carrier.start(loopback)
    runtime = RuntimeProcess.start(loopback)
    plan = dict(carrier.trunk("alice"))
    plan["outboundAuthenticationPlan"] = plan["outboundAuthenticationPlan"] | {
        "authPassword": "not the password"
    }
    trunk = add_trunk(runtime, plan)
    runtime.program.watch(
        lambda: status(runtime, trunk)["registration"]["state"] == "held", "the refusal", 10
    )
    registration = status(runtime, trunk)["registration"]
    assert registration["status"] == 401
    assert "username and password" in registration["reason"]
    right = carrier.trunk("alice")["outboundAuthenticationPlan"]
    runtime.request("PATCH", f"/credential/{trunk}", {"outboundAuthenticationPlan": right})
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)


def test_refreshes_and_a_registrar_that_dies_and_comes_back(loopback: Place, phones: None) -> None:
    carrier = Carrier.start(loopback, expires=10, algorithm="SHA-256")
    runtime = RuntimeProcess.start(loopback)
    trunk = add_trunk(runtime, carrier.trunk("alice"))
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)
    expiries = set()
    until = time.monotonic() + 30
    while len(expiries) < 4 and time.monotonic() < until:
        expiries.add(status(runtime, trunk)["registration"]["expiresAt"])
        assert registered(runtime, trunk)()
        time.sleep(0.5)
    assert len(expiries) >= 4  # three refreshes
    carrier.stop()
    runtime.program.watch(lambda: not registered(runtime, trunk)(), "the loss to be seen", 60)
    assert status(runtime, trunk)["registration"]["state"] == "failed"
    again = Carrier.start(loopback, port=carrier.port, expires=60)
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered again", 60)
    assert len(again.bindings()) == 1


def test_fifty_trunks_start_together(loopback: Place, phones: None) -> None:
    carrier = Carrier.start(loopback)
    runtime = RuntimeProcess.start(loopback)
    trunks = [add_trunk(runtime, carrier.trunk(f"account{n}")) for n in range(50)]
    runtime.stop()
    began = time.monotonic()
    runtime = RuntimeProcess.start(loopback, data_dir=runtime.data_dir)

    def active() -> int:
        shown = runtime.request("GET", "/sip/status").json()
        return sum(one["registration"]["state"] == "active" for one in shown)

    runtime.program.watch(lambda: active() == len(trunks), "fifty registrations", 40)
    took = time.monotonic() - began
    print(f"50 trunks active {took:.1f} s after the start of the process")
    assert took < 33
    assert len(carrier.bindings()) == 50


def test_a_trunk_can_be_tried(loopback: Place, phones: None, sipp: None) -> None:
    carrier = Carrier.start(loopback)
    runtime = RuntimeProcess.start(loopback, environ={"RUNTIME_SIP_COUNTRIES": "49"})
    trunk = add_trunk(runtime, carrier.trunk("alice"))
    runtime.program.watch(registered(runtime, trunk), "the trunk to be registered", 10)
    Sipp.start(loopback, "uas", port=carrier.phone, calls=2)
    tried = runtime.request("POST", f"/credential/{trunk}/test", {"number": "+4930123456"})
    assert tried.status == 200, tried.body
    result = tried.json()
    assert result["ok"], result
    assert [step["step"] for step in result["steps"]] == ["OPTIONS", "REGISTER", "INVITE"]
    lines = [rung["line"] for rung in result["ladder"]]
    assert any(line.startswith("INVITE sip:4930123456@") for line in lines)
    assert any(line.startswith("SIP/2.0 407") for line in lines)
    assert "response=" not in tried.body.decode()
    shown = aywa(runtime, "sip", "status", trunk)
    assert "registration  active at 127.0.0.1" in shown
    ladder = aywa(runtime, "sip", "test", trunk, "--number", "+4930123456")
    assert "ok    INVITE" in ladder
    assert re.search(r"──────→ 127.0.0.1:\d+ +INVITE sip:4930123456@", ladder)


def aywa(runtime: RuntimeProcess, *words: str) -> str:
    """Run a command of the product, and give what it printed."""
    api = f"http://127.0.0.1:{runtime.http_port}"
    command = [sys.executable, "-m", "aywa.cli.main", *words, "--api", api, "--key", API_KEY]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
