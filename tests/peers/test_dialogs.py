"""What a call's signalling may do, between SIPp and the running product."""

from pathlib import Path

import pytest

from tests.peers import call_records as records
from tests.peers.capture import rtp_streams, tshark_fields
from tests.peers.places import Place
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.scenario import (
    answered,
    call,
    ended,
    expect,
    expect_request,
    invite,
    pause,
    reply,
    request,
    sdp,
)
from tests.peers.sipp import Sipp

pytestmark = pytest.mark.peers

SILENT = {"VOICE_PIPELINE_STT_ENABLED": "false"}


@pytest.fixture
def runtime(loopback: Place, sipp: None) -> RuntimeProcess:
    return RuntimeProcess.start(loopback, environ=SILENT)


def run(runtime: RuntimeProcess, name: str, *steps: str, extra: tuple[str, ...] = ()) -> Sipp:
    """Play a caller of the demo number to its end."""
    place = runtime.place
    scenario = call(place.folder, name, *steps)
    target = f"{place.address}:{runtime.sip_port}"
    caller = Sipp.start(place, scenario, target, extra=("-s", "demo", *extra))
    caller.finish()
    return caller


def direction(answer: str) -> str:
    """The direction that an answer gives."""
    [found] = [line for line in answer.splitlines() if line in DIRECTIONS]
    return found


DIRECTIONS = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}


def test_hold_and_resume(runtime: RuntimeProcess) -> None:
    steps: list[str] = []
    held = (
        sdp(lines=["a=sendonly"], version=2),
        sdp(lines=["a=inactive"], version=3),
        sdp(address="0.0.0.0", version=4),
        sdp(version=5),
    )
    for sequence, body in enumerate(held, 2):
        steps += [request("INVITE", sequence, body=body), expect(100, optional=True), expect(200)]
        steps += [request("ACK", sequence), pause(100)]
    caller = run(runtime, "hold", invite(), *answered(), *steps, *ended())
    answers = [text for text in caller.received("SIP/2.0 200") if " INVITE\n" in text]
    assert [direction(text) for text in answers] == [
        "a=sendrecv",
        "a=recvonly",
        "a=inactive",
        "a=recvonly",
        "a=sendrecv",
    ]


def test_an_invite_without_an_offer(runtime: RuntimeProcess) -> None:
    acknowledged = request("ACK", 1, body=sdp())
    caller = run(
        runtime,
        "offerless",
        invite(body=""),
        expect(100, optional=True),
        expect(180, optional=True),
        expect(200),
        acknowledged,
        pause(300),
        request("INVITE", 2),
        expect(100, optional=True),
        expect(200),
        request("ACK", 2, body=sdp(version=2)),
        pause(100),
        *ended(),
    )
    for offer in caller.received("SIP/2.0 200")[:2]:
        assert "RTP/AVP 0 8 101" in offer
    latest = records.wait_latest(runtime, "ended")
    assert latest["endedReason"] == "customer-ended-call"


def test_the_peer_moves_and_leaves_one_codec(runtime: RuntimeProcess) -> None:
    pruned = sdp(formats="8", version=2)
    moved = sdp(port="[media_port+2]", formats="8", version=3)
    caller = run(
        runtime,
        "moved",
        invite(),
        *answered(),
        request("INVITE", 2, body=pruned),
        expect(100, optional=True),
        expect(200),
        request("ACK", 2),
        pause(400),
        request("INVITE", 3, body=moved),
        expect(100, optional=True),
        expect(200),
        request("ACK", 3),
        pause(400),
        *ended(),
    )
    for sequence in (2, 3):
        answer = next(t for t in caller.received("SIP/2.0 200") if f"{sequence} INVITE" in t)
        assert "RTP/AVP 8\n" in answer
    latest = records.wait_latest(runtime, "ended")
    pcap = records.download(runtime, f"/call/{latest['id']}/pcap", runtime.place.folder / "m.pcap")
    ports = {s.destination[1] for s in rtp_streams(pcap) if s.source[1] == runtime.rtp_ports[0]}
    assert ports == {caller.media_port, caller.media_port + 2}


def test_a_session_timer_is_agreed_and_too_short_a_one_refused(runtime: RuntimeProcess) -> None:
    timers = ("Supported: timer", "Session-Expires: 120;refresher=uac")
    short = ("Supported: timer", "Session-Expires: 30;refresher=uac")
    caller = run(
        runtime,
        "timer",
        invite(headers=short),
        expect(100, optional=True),
        expect(422),
        request("ACK", 1, first=True),
        request("INVITE", 2, body=sdp(), headers=timers, first=True),
        expect(100, optional=True),
        expect(180, optional=True),
        expect(200),
        request("ACK", 2),
        pause(100),
        request("UPDATE", 3, headers=timers),
        expect(200),
        *ended(),
    )
    assert "Min-SE: 90" in caller.received("SIP/2.0 422")[0]
    for answer in caller.received("SIP/2.0 200")[:2]:
        assert "Session-Expires: 120;refresher=uac" in answer
        assert "Require: timer" in answer


def test_a_caller_that_demands_reliable_responses(runtime: RuntimeProcess) -> None:
    caller = _reliable(runtime)
    ringing = caller.received("SIP/2.0 180")[0]
    assert "RSeq: " in ringing
    assert "Require: 100rel" in ringing


def _reliable(runtime: RuntimeProcess) -> Sipp:
    rack = (
        '<recv response="180" rrs="true"><action>'
        '<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" assign_to="1"/>'
        "</action></recv>"
    )
    prack = request("PRACK", 2, headers=("RAck: [$1] 1 INVITE",))
    return run(
        runtime,
        "reliable",
        invite(headers=("Require: 100rel",)),
        expect(100, optional=True),
        rack,
        prack,
        expect(200),
        expect(200),
        request("ACK", 1),
        pause(100),
        *ended(),
    )


def test_an_update_in_a_call(runtime: RuntimeProcess) -> None:
    caller = run(
        runtime,
        "update",
        invite(),
        *answered(),
        pause(200),
        request("UPDATE", 2),
        expect(200),
        request("UPDATE", 3, body=sdp(lines=["a=sendonly"], version=2)),
        expect(200),
        *ended(),
    )
    bare, described = [text for text in caller.received("SIP/2.0 200") if " UPDATE\n" in text]
    assert "m=audio" not in bare
    assert direction(described) == "a=recvonly"


def test_keys_by_info_reach_the_timeline(runtime: RuntimeProcess) -> None:
    relay = request("INFO", 2, body="Signal=5\nDuration=160", kind="application/dtmf-relay")
    run(
        runtime,
        "info",
        invite(),
        *answered(),
        pause(300),
        relay,
        expect(200),
        request("INFO", 3, body="#", kind="application/dtmf"),
        expect(200),
        request("MESSAGE", 4, body="hello", kind="text/plain"),
        expect(200),
        request("NOTIFY", 5, headers=("Event: nothing",)),
        expect(489),
        pause(300),
        *ended(),
    )
    latest = records.wait_latest(runtime, "ended")
    items = records.timeline(runtime, latest["id"])
    assert [item["text"] for item in records.data_of(items, "leg-message")] == ["hello"]
    pressed = [(item["digit"], item["heard_by"]) for item in records.data_of(items, "digit")]
    assert pressed == [("5", "info"), ("#", "info")]


def test_fax_is_refused_and_the_call_goes_on(runtime: RuntimeProcess) -> None:
    fax = "v=0\no=- 1 2 IN IP4 [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=image 4000 udptl t38"
    caller = run(
        runtime,
        "fax",
        invite(),
        *answered(),
        pause(200),
        request("INVITE", 2, body=fax),
        expect(100, optional=True),
        expect(488),
        request("ACK", 2),
        pause(200),
        request("INFO", 3, body="1", kind="application/dtmf"),
        expect(200),
        *ended(),
    )
    assert len(caller.received("SIP/2.0 488")) == 1
    assert records.wait_latest(runtime, "ended")["endedReason"] == "customer-ended-call"


def test_who_calls_is_told_over_rest(runtime: RuntimeProcess) -> None:
    told = (
        'P-Asserted-Identity: "Ann" <sip:+4930111@carrier.test>',
        "Privacy: id",
        "Diversion: <sip:+4930222@carrier.test>;reason=no-answer",
        "History-Info: <sip:one@carrier.test>;index=1",
    )
    run(runtime, "who", invite(headers=told), *answered(), pause(200), *ended())
    latest = records.wait_latest(runtime, "ended")
    assert latest["customer"]["number"] == "+4930111"
    assert latest["phoneCallProviderDetails"]["sip"] == {
        "assertedIdentity": [{"uri": "sip:+4930111@carrier.test", "name": "Ann"}],
        "privacy": ["id"],
        "diversion": [{"uri": "sip:+4930222@carrier.test", "parameters": {"reason": "no-answer"}}],
        "historyInfo": [{"uri": "sip:one@carrier.test", "parameters": {"index": "1"}}],
    }
    assert "4930111" not in runtime.log.read_text()


@pytest.mark.parametrize("transport", ["u1", "t1"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_call_over_each_transport_and_ip_version(
    loopback: Place, sipp: None, transport: str, version: int
) -> None:
    environ = SILENT | ({"RUNTIME_SIP_SECOND_HOST": "::1"} if version == 6 else {})
    environ |= {"RUNTIME_SIP_TRUSTED": "127.0.0.0/8, ::1"}
    runtime = RuntimeProcess.start(loopback, environ=environ)
    scenario = call(loopback.folder, "plain", invite(), *answered(), pause(300), *ended())
    host = "[::1]" if version == 6 else "127.0.0.1"
    caller = Sipp.start(
        loopback,
        scenario,
        f"{host}:{runtime.sip_port}",
        address=host.strip("[]"),
        extra=("-s", "demo", "-t", transport),
    )
    caller.finish()
    assert records.wait_latest(runtime, "ended")["endedReason"] == "customer-ended-call"


def test_a_call_is_transferred_over_rest(runtime: RuntimeProcess, tmp_path: Path) -> None:
    notify = request(
        "NOTIFY",
        5,
        body="SIP/2.0 200 OK",
        kind="message/sipfrag;version=2.0",
        headers=("Event: refer", "Subscription-State: terminated;reason=noresource"),
    )
    scenario = call(
        runtime.place.folder,
        "transferred",
        invite(),
        *answered(),
        expect_request("REFER"),
        reply(202, "Accepted"),
        notify,
        expect(200),
        expect_request("BYE"),
        reply(200),
    )
    caller = Sipp.start(
        runtime.place, scenario, f"127.0.0.1:{runtime.sip_port}", extra=("-s", "demo")
    )
    live = records.wait_latest(runtime, "in-progress")
    wanted = {"type": "transfer", "destination": {"type": "sip", "sipUri": "sip:bob@127.0.0.1:9"}}
    told = runtime.request("POST", f"/call/{live['id']}/control", wanted)
    assert told.status == 200, told.body
    caller.finish()
    assert "Refer-To: <sip:bob@127.0.0.1:9>" in caller.received("REFER")[0]
    over = records.wait_latest(runtime, "ended")
    assert over["endedReason"] == "assistant-forwarded-call"
    progress = records.data_of(records.timeline(runtime, live["id"]), "transfer")
    assert [item["status"] for item in progress] == [202, 200]


@pytest.mark.parametrize("method", ["rfc4733", "info"])
def test_keys_are_pressed_over_rest(runtime: RuntimeProcess, method: str) -> None:
    answers = (expect_request("INFO"), reply(200)) * 3 if method == "info" else ()
    scenario = call(
        runtime.place.folder, "pressed", invite(), *answered(), *answers, pause(1500), *ended()
    )
    caller = Sipp.start(
        runtime.place, scenario, f"127.0.0.1:{runtime.sip_port}", extra=("-s", "demo")
    )
    live = records.wait_latest(runtime, "in-progress")
    wanted = {"type": "dtmf", "digits": "12#", "method": method}
    told = runtime.request("POST", f"/call/{live['id']}/control", wanted)
    assert told.status == 200, told.body
    caller.finish()
    records.wait_latest(runtime, "ended")
    if method == "info":
        pressed = [text.split("Signal=")[1][0] for text in caller.received("INFO")]
        assert pressed == ["1", "2", "#"]
        return
    kept = runtime.place.folder / "keys.pcap"
    pcap = records.download(runtime, f"/call/{live['id']}/pcap", kept)
    ends = tshark_fields(
        pcap,
        "rtpevent.end_of_event == 1",
        "rtpevent.event_id",
        "rtp.timestamp",
    )
    presses = list(dict.fromkeys(ends))
    assert [event for event, _ in presses] == ["1", "2", "11"]
    assert len(ends) == 9  # each end is sent three times


def test_a_call_without_audio_is_ended(loopback: Place, sipp: None) -> None:
    environ = SILENT | {"RUNTIME_MEDIA_TIMEOUT_SECONDS": "12"}
    runtime = RuntimeProcess.start(loopback, environ=environ)
    scenario = call(
        loopback.folder, "mute", invite(), *answered(), expect_request("BYE"), reply(200)
    )
    caller = Sipp.start(loopback, scenario, f"127.0.0.1:{runtime.sip_port}", extra=("-s", "demo"))
    caller.finish()
    over = records.wait_latest(runtime, "ended")
    assert over["endedReason"] == (
        "call.in-progress.error-assistant-did-not-receive-customer-audio"
    )
    assert "Nothing was heard" in over["endedMessage"]


def test_a_call_is_taken_over_by_another_and_goes_on(runtime: RuntimeProcess) -> None:
    """INVITE with Replaces: the new far end has the assistant, the old one is hung up."""
    place, target = runtime.place, f"127.0.0.1:{runtime.sip_port}"
    first = Sipp.start(
        place,
        call(place.folder, "old", invite(), *answered(), expect_request("BYE"), reply(200)),
        target,
        extra=("-s", "demo"),
    )
    live = records.wait_latest(runtime, "in-progress")
    answer = next(text for text in first.received("SIP/2.0 200") if "1 INVITE" in text)
    ours = answer.split("To: ")[1].split("tag=")[1].split("\n")[0]
    theirs = answer.split("From: ")[1].split("tag=")[1].split("\n")[0]
    named = f"Replaces: {live['phoneCallProviderId']};to-tag={ours};from-tag={theirs}"
    second = Sipp.start(
        place,
        call(place.folder, "new", invite(headers=(named,)), *answered(), pause(800), *ended()),
        target,
        extra=("-s", "demo"),
    )
    first.finish()
    second.finish()
    over = records.wait_latest(runtime, "ended")
    assert over["id"] == live["id"]
    assert len(records.calls(runtime)) == 1
    moved = records.data_of(records.timeline(runtime, live["id"]), "leg-moved")
    assert moved == [{"why": "replaces"}]
    pcap = records.download(runtime, f"/call/{live['id']}/pcap", place.folder / "two.pcap")
    ports = {s.destination[1] for s in rtp_streams(pcap) if s.source[1] == runtime.rtp_ports[0]}
    assert {first.media_port, second.media_port} <= ports


def test_the_peer_sends_us_to_somebody_else(runtime: RuntimeProcess) -> None:
    """REFER towards us: we call whom we are told, the assistant goes on there."""
    place, target = runtime.place, f"127.0.0.1:{runtime.sip_port}"
    other = Sipp.start(place, "uas")
    refer = request("REFER", 2, headers=(f"Refer-To: <sip:bob@127.0.0.1:{other.port}>",))
    notified = (expect_request("NOTIFY"), reply(200))
    scenario = call(
        place.folder,
        "refer",
        invite(),
        *answered(),
        pause(300),
        refer,
        expect(202),
        *notified * 3,  # 100, 180, 200
        expect_request("BYE"),
        reply(200),
    )
    caller = Sipp.start(place, scenario, target, extra=("-s", "demo"))
    live = records.wait_latest(runtime, "in-progress")
    records.wait_item(runtime, live["id"], "leg-moved")
    runtime.request("POST", f"/call/{live['id']}/control", {"type": "end-call"})
    other.finish()
    caller.finish()
    moved = records.data_of(records.timeline(runtime, live["id"]), "leg-moved")
    assert moved == [{"why": "refer"}]
    told = "".join(caller.received("NOTIFY"))
    assert "SIP/2.0 100" in told
    assert "SIP/2.0 200 OK" in told
