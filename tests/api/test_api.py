"""The REST contract through its public doors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from aywa.api.app import endpoints
from aywa.calls.control import AddMessage, EndCall, Say, SendDigits, Transfer
from aywa.calls.errors import AtCapacity, CallRefused
from aywa.codecs import wav
from aywa.store.documents import TimelineItem

from .conftest import KEY, ORG, OTHER_KEY, Api

TABLE = endpoints("9.9")
OTHERS = {"Authorization": f"Bearer {OTHER_KEY}"}


def made(api: Api, path: str, **body: Any) -> dict[str, Any]:
    answer = api.client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda e: f"{e.method} {e.path}")
def test_every_route_asks_for_a_key_unless_it_is_public(api: Api, endpoint: Any) -> None:
    del api.client.headers["Authorization"]
    path = endpoint.path.replace("{id}", "some-id")
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        answer = api.client.request(endpoint.method, path, headers=headers)
        if endpoint.access == "public":
            assert answer.status_code < 400 or path == "/readyz"
        else:
            assert answer.status_code == 401
            assert answer.json()["message"]
    known = api.client.request(endpoint.method, path, headers={"X-API-Key": KEY})
    assert known.status_code != 401


@pytest.mark.parametrize("path", ["/assistant", "/phone-number", "/call"])
def test_a_document_belongs_to_its_organisation(api: Api, path: str) -> None:
    if path == "/call":
        api.call("call-x", "ended")
        one = {"id": "call-x"}
    else:
        body = {"provider": "byo-phone-number", "number": "+14155550100"}
        one = made(api, path, **(body if path == "/phone-number" else {"name": "A"}))
    for endpoint in TABLE:
        if endpoint.path.startswith(f"{path}/{{id}}"):
            target = endpoint.path.replace("{id}", one["id"])
            bodies = {"POST": {"type": "end-call"}, "PATCH": {"name": "B"}, "PUT": {"name": "B"}}
            answer = api.client.request(
                endpoint.method, target, headers=OTHERS, json=bodies.get(endpoint.method)
            )
            assert answer.status_code == 404, (endpoint.method, target)
    assert api.client.get(path, headers=OTHERS).json() == []
    assert [d["id"] for d in api.client.get(path).json()] == [one["id"]]


def test_the_life_of_an_assistant(api: Api) -> None:
    sent = {"name": "Ann", "firstMessage": "Hi", "model": {"provider": "x", "model": "y", "odd": 1}}
    one = made(api, "/assistant", **sent)
    assert {key: one[key] for key in sent} == sent
    assert (one["orgId"], one["createdAt"]) == (ORG, one["updatedAt"])
    path = f"/assistant/{one['id']}"
    changed = api.client.patch(path, json={"firstMessage": None, "model": {"provider": "z"}}).json()
    assert "firstMessage" not in changed
    assert (changed["model"], changed["name"]) == ({"provider": "z"}, "Ann")
    assert changed["updatedAt"] >= one["updatedAt"]
    put = api.client.put(path, json={"name": "Bob"}).json()
    assert "model" not in put
    assert (put["name"], put["createdAt"]) == ("Bob", one["createdAt"])
    assert api.client.delete(path).json() == put
    assert api.client.get(path).status_code == api.client.delete(path).status_code == 404


def test_lists_page_by_date_and_take_whole_numbers_as_floats(api: Api) -> None:
    made_ids = [made(api, "/assistant", name=str(number))["id"] for number in range(3)]
    everything = api.client.get("/assistant").json()
    assert {d["id"] for d in everything} == set(made_ids)
    moment = everything[1]["createdAt"]
    ge = api.client.get("/assistant", params={"createdAtGe": moment}).json()
    gt = api.client.get("/assistant", params={"createdAtGt": moment}).json()
    assert everything[1] in ge
    assert everything[1] not in gt
    assert len(api.client.get("/assistant?limit=2.0").json()) == 2
    for query in ("limit=2.5", "limit=-1", "limit=1001", "limit=x", "createdAtGe=x", "foo=1"):
        assert api.client.get(f"/assistant?{query}").status_code == 400, query


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"foo": 1}, "property foo should not exist"),
        ({"name": "x" * 41}, "name"),
        ({"stopSpeakingPlan": {"voiceSeconds": 0.6}}, "stopSpeakingPlan.voiceSeconds must not be"),
        ({"stopSpeakingPlan": {"numWords": 2.5}}, "stopSpeakingPlan.numWords must be a whole"),
        ({"stopSpeakingPlan": {"foo": 1}}, "stopSpeakingPlan"),
        ({"maxDurationSeconds": 5}, "maxDurationSeconds must not be less than 10"),
        ({"firstMessageMode": "shout"}, "firstMessageMode"),
        ({"endCallPhrases": ["x"]}, "endCallPhrases"),
        ({"hooks": [{"on": "nothing"}]}, "hooks"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], sentence: str) -> None:
    answer = api.client.post("/assistant", json=body)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["statusCode"], problem["error"]) == (400, "Bad Request")
    assert any(line.startswith(sentence) for line in problem["message"]), problem


def test_a_phone_number_names_an_assistant_that_exists(api: Api) -> None:
    body = {"provider": "byo-phone-number", "number": "+14155550100"}
    assert api.client.post("/phone-number", json=body | {"assistantId": "nope"}).status_code == 400
    one = made(api, "/phone-number", **body, assistantId=made(api, "/assistant")["id"])
    unbound = api.client.patch(f"/phone-number/{one['id']}", json={"assistantId": None}).json()
    assert "assistantId" not in unbound
    assert api.client.post("/phone-number", json=body | {"number": "12"}).status_code == 400


CALL = {
    "assistantId": "a",
    "phoneNumberId": "p",
    "customer": {"sipUri": "sip:alice@192.0.2.1"},
}


def test_a_call_is_placed(api: Api) -> None:
    for path in ("/call", "/call/phone"):
        assert made(api, path, **CALL)["status"] == "queued"
    assert api.desk.placed == [CALL, CALL]
    without = {key: value for key, value in CALL.items() if key != "phoneNumberId"}
    answer = api.client.post("/call", json=without)
    assert answer.status_code == 400
    assert "Couldn't Get Phone Number" in str(answer.json()["message"])
    for wrong in (
        {**CALL, "assistantId": None},
        {**CALL, "assistant": {"name": "x"}},
        {**CALL, "customer": {"number": "123"}},
        {**CALL, "customer": {}},
        {**CALL, "squadId": "s"},
    ):
        assert api.client.post("/call", json=wrong).status_code == 400, wrong
    api.desk.refuse = CallRefused("There is no assistant a.")
    assert api.client.post("/call", json=CALL).json()["message"] == "There is no assistant a."
    api.desk.refuse = AtCapacity("All 7 are in use.")
    full = api.client.post("/call", json=CALL)
    assert (full.status_code, full.headers["Retry-After"]) == (429, "5")


def test_a_live_call_is_steered(api: Api) -> None:
    api.call("live")
    path = "/call/live/control"
    say = {"type": "say", "content": "hello", "endCallAfterSpoken": True}
    add = {"type": "add-message", "message": {"role": "system", "content": "x"}}
    keys = {"type": "dtmf", "digits": "12#", "method": "info"}
    away = {"type": "transfer", "destination": {"type": "sip", "sipUri": "sip:bob@192.0.2.9"}}
    over = {"type": "transfer", "destination": {"type": "number", "number": "+4930123456"}}
    for body in (say, {"message": add}, {"type": "end-call"}, keys, away, over):
        assert api.client.post(path, json=body).status_code == 200, body
    assert api.desk.commands == [
        Say("hello", end_call_after_spoken=True),
        AddMessage("system", "x"),
        EndCall(),
        SendDigits("12#", "info"),
        Transfer(sip_uri="sip:bob@192.0.2.9"),
        Transfer(number="+4930123456"),
    ]
    for body in (
        {"type": "dtmf", "digits": "x"},
        {"type": "transfer", "destination": {"type": "sip"}},
        {"type": "transfer", "destination": {"type": "number"}},
    ):
        assert api.client.post(path, json=body).status_code == 400, body
    for body in ({"type": "dance"}, {}, {"type": "say"}, {"type": "say", "content": 3}):
        assert api.client.post(path, json=body).status_code == 400, body
    api.call("over", "ended")
    assert api.client.post("/call/over/control", json=say).status_code == 400
    assert api.client.post("/call/none/control", json=say).status_code == 404
    assert api.client.delete("/call/live").status_code == 400


def test_the_timeline_goes_on_where_it_was_left(api: Api) -> None:
    api.call("c")
    items = [TimelineItem("2026-01-01T00:00:00.000Z", "log", str(n), {"n": n}) for n in range(5)]
    api.portal.call(api.store.append_timeline, ORG, "c", items)
    page = api.client.get("/call/c/timeline?limit=2").json()
    assert ([one["type"] for one in page["items"]], page["nextAfter"]) == (["0", "1"], 2)
    rest = api.client.get("/call/c/timeline?after=2").json()
    assert [one["seq"] for one in rest["items"]] == [3, 4, 5]
    waited = api.client.get("/call/c/timeline?after=5&waitSeconds=7").json()
    assert (waited["items"], waited["nextAfter"], api.waiter.asked[-1]) == ([], 5, 7)
    assert api.client.get("/call/c/timeline?waitSeconds=31").status_code == 400


def test_recordings_and_captures(api: Api) -> None:
    api.call("c", "ended")
    for name in ("recording", "recording/stereo", "pcap"):
        missing = api.client.get(f"/call/c/{name}")
        assert (missing.status_code, bool(missing.json()["message"])) == (404, True)
    folder = api.desk.folder / "c"
    folder.mkdir(parents=True)
    stereo = np.array([[100, 50], [30_000, 30_000], [-5, 5]], np.int16)
    wav.write(folder / "stereo.wav", stereo, 8_000)
    (folder / "call.pcap").write_bytes(b"pcap")
    assert (
        wav.parse(api.client.get("/call/c/recording/stereo").content).pcm.tolist()
        == stereo.tolist()
    )
    mono = wav.parse(api.client.get("/call/c/recording").content)
    assert mono.mono().tolist() == [150, 32_767, 0]
    assert api.client.get("/call/c/mono-recording").content == wav_bytes(mono)
    part = api.client.get("/call/c/recording/stereo", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")
    assert api.client.get("/call/c/pcap").content == b"pcap"
    assert api.client.head("/call/c/pcap").headers["content-length"] == "4"
    assert api.client.delete("/call/c").json()["id"] == "c"
    assert not folder.exists()


def wav_bytes(clip: wav.Clip) -> bytes:
    data = clip.pcm.astype("<i2").tobytes()
    return wav.header(clip.rate, 1, len(data)) + data


def test_bodies_are_bounded_and_faults_are_sentences(api: Api) -> None:
    kind = {"Content-Type": "application/json"}
    cases = {
        b"{" * 3: 400,
        b"[1]": 400,
        b"": 400,
        b'{"name": "\xff"}': 400,
        b'{"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 501: 400,
        b'{"name": "' + b"x" * 10_000_000 + b'"}': 413,
    }
    for content, status in cases.items():
        answer = api.client.post("/assistant", content=content, headers=kind)
        assert answer.status_code == status, content[:30]
        assert answer.json()["message"]
    assert api.client.get("/nothing").status_code == 404
    wrong = api.client.put("/call")
    assert (wrong.status_code, "GET" in wrong.headers["Allow"]) == (405, True)
    assert wrong.json()["statusCode"] == 405


def test_a_fault_of_ours_shows_no_internals(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.desk.refuse = ZeroDivisionError("secret detail")
    answer = api.client.post("/call", json=CALL, headers={"X-Request-Id": "abc"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["X-Request-Id"] == "abc"
    assert "secret detail" in caplog.text


def test_health_readiness_and_metrics(api: Api) -> None:
    assert api.client.get("/health").status_code == api.client.get("/healthz").status_code == 200
    ready = api.client.get("/readyz")
    assert (ready.status_code, "the disk is full" in ready.text) == (503, True)
    assert "runtime_http_requests" in api.client.get("/metrics").text


def test_openapi_is_valid_and_complete(api: Api) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    validate(document)
    described = {(m.upper(), p) for p, methods in document["paths"].items() for m in methods}
    assert described == {(e.method, e.path) for e in TABLE}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
names = ["name", "model", "voice", "stopSpeakingPlan", "hooks", "server", "customer", "number"]
bodies = st.dictionaries(st.sampled_from([*names, "phoneNumberId", "type", "assistant"]), values)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["/assistant", "/phone-number", "/call", "/call/live/control"]), bodies)
def test_no_body_is_our_fault(api: Api, path: str, body: dict[str, Any]) -> None:
    try:
        content = json.dumps(body, allow_nan=False).encode()
    except ValueError:
        content = json.dumps(body).encode()
    assert api.client.post(path, content=content).status_code < 500


def test_the_field_tables_name_every_field() -> None:
    """docs/api-fields.md tells of each top-level field whether it acts."""
    from aywa.api.schemas.assistant import Assistant
    from aywa.api.schemas.call import CallRequest
    from aywa.api.schemas.credential import Credential
    from aywa.api.schemas.phone_number import PhoneNumber

    text = (Path(__file__).parents[2] / "docs" / "api-fields.md").read_text()
    for heading, model in (
        ("Assistant", Assistant),
        ("Phone number", PhoneNumber),
        ("Call", CallRequest),
        ("Credential", Credential),
    ):
        section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
        rows = [
            line.split("|")[1].strip(" `")
            for line in section.splitlines()
            if line.startswith("| `")
        ]
        wanted = [field.alias or name for name, field in model.model_fields.items()]
        assert sorted(rows) == sorted(wanted), heading


GATEWAY = {"ip": "192.0.2.7"}
ACCOUNT = {"authUsername": "alice", "authPassword": "a long password"}
TRUNK = {"provider": "byo-sip-trunk", "gateways": [GATEWAY], "outboundAuthenticationPlan": ACCOUNT}


def test_a_trunk_shows_no_secret_and_keeps_it_when_the_mask_comes_back(api: Api) -> None:
    made = api.client.post("/credential", json=TRUNK)
    assert made.status_code == 201
    assert made.json()["outboundAuthenticationPlan"]["authPassword"] == "****word"
    path = f"/credential/{made.json()['id']}"
    shown = api.client.get(path).json()["outboundAuthenticationPlan"]
    changed = api.client.patch(
        path, json={"outboundAuthenticationPlan": shown | {"authUsername": "bob"}}
    )
    assert changed.json()["outboundAuthenticationPlan"] == shown | {"authUsername": "bob"}
    stored = api.portal.call(api.store.get, "credential", ORG, made.json()["id"])
    assert stored is not None
    assert stored["outboundAuthenticationPlan"] == ACCOUNT | {"authUsername": "bob"}
    for answer in (api.client.get("/credential"), api.client.delete(path)):
        assert "a long password" not in answer.text
    assert api.trunks.refreshed == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"provider": "smoke-signals"}, "provider must be one of"),
        ({"gateways": []}, "gateways must contain at least 1"),
        ({"gateways": [{"ip": "no host"}]}, "gateways.0.ip must be an IP address or a host name"),
        ({"gateways": [GATEWAY | {"netmask": 64}]}, "netmask must not be greater than 32"),
        ({"gateways": [GATEWAY | {"port": 70_000}]}, "gateways.0.port must not be greater"),
        ({"outboundAuthenticationPlan": {"sipRegisterPlan": {}}}, "authUsername is required"),
        ({"outboundAuthenticationPlan": ACCOUNT | {"authPassword": "a\r\nb"}}, "printable"),
        ({"sip": {"destinations": {"allow": ["4x"]}}}, "sip.destinations.allow.0 must be 1 to 15"),
        ({"sip": {"numbers": {"countryCode": "DE"}}}, "numbers.countryCode must be up to 5 digits"),
        ({"sip": {"callerId": {"fromUser": "{{secret}}"}}}, "fromUser may contain"),
        ({"sip": {"callerId": {"fromHost": "a b"}}}, "fromHost must be a host"),
        ({"sip": {"outboundProxy": "<sip:x>"}}, "sip.outboundProxy must be a host"),
        ({"sip": {"codecs": ["g729"]}}, "sip.codecs.0 must be one of"),
    ],
)
def test_a_wrong_trunk_is_refused_in_words(api: Api, change: dict[str, Any], sentence: str) -> None:
    refused = api.client.post("/credential", json=TRUNK | change)
    assert refused.status_code == 400
    assert sentence in " ".join(refused.json()["message"])


def test_a_trunk_tells_how_it_is_and_can_be_tried(api: Api) -> None:
    trunk = api.client.post("/credential", json=TRUNK).json()["id"]
    assert api.client.get(f"/credential/{trunk}/status").json()["registration"]["state"] == "active"
    assert api.client.get("/sip/status").json() == [{"credentialId": "one", "orgId": ORG}]
    tried = api.client.post(f"/credential/{trunk}/test", json={"number": "+4930123456"})
    assert (tried.status_code, api.trunks.tested) == (200, [(trunk, "+4930123456")])
    stranger = {"Authorization": f"Bearer {OTHER_KEY}"}
    for method, path in (("GET", "status"), ("POST", "test")):
        answer = api.client.request(
            method, f"/credential/{trunk}/{path}", json={}, headers=stranger
        )
        assert answer.status_code == 404


def test_a_phone_number_names_a_trunk_that_exists(api: Api) -> None:
    number = {"provider": "byo-phone-number", "number": "+4930123456"}
    refused = api.client.post("/phone-number", json=number | {"credentialId": "none"})
    assert refused.json()["message"] == ["credentialId must be the id of an existing credential"]
    trunk = api.client.post("/credential", json=TRUNK).json()["id"]
    assert (
        api.client.post("/phone-number", json=number | {"credentialId": trunk}).status_code == 201
    )
