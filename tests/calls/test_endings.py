"""Every way a call can fail has one reason of the contract and a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.calls import endings, state
from aywa.calls.endings import Ending
from aywa.calls.trunks.gate import Code

FAULT = "call.in-progress.error-providerfault-outbound-sip-"
CONTRACT = {
    "customer-ended-call",
    "customer-busy",
    "customer-did-not-answer",
    "call.in-progress.error-assistant-did-not-receive-customer-audio",
    "exceeded-max-duration",
    "manually-canceled",
    "worker-shutdown",
    "call.start.error-vapifault-worker-not-available",
    "call.in-progress.error-vapifault-worker-died",
    "call.start.error-subscription-concurrency-limit-reached",
    "call.start.error-vapifault-database-error",
    "call.start.error-get-customer",
    "call.start.error-get-transport",
    "call.in-progress.sip-completed-call",
    "call.in-progress.error-sip-inbound-call-failed-to-connect",
    "call.in-progress.error-sip-outbound-call-failed-to-connect",
    "call.ringing.error-sip-inbound-call-failed-to-connect",
    "call.ringing.sip-inbound-caller-hungup-before-call-connect",
    f"{FAULT}403-forbidden",
    f"{FAULT}407-proxy-authentication-required",
    f"{FAULT}408-request-timeout",
    f"{FAULT}480-temporarily-unavailable",
    f"{FAULT}503-service-unavailable",
    "sip-outbound-unallocated-number",
    "sip-outbound-carrier-released-call",
}
"""The values of the contract about SIP, limits and starting."""


def is_told(ending: Ending) -> bool:
    said = ending.sentence
    return ending.reason in CONTRACT and said[0].isupper() and said[-1] in ".)" and "\n" not in said


@pytest.mark.parametrize("status", range(300, 700))
def test_every_status_has_an_ending(status: int) -> None:
    ending = endings.refused(status, "Words")
    assert is_told(ending)
    assert f"(SIP {status} Words)" in ending.sentence


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, f"{FAULT}407-proxy-authentication-required"),
        (403, f"{FAULT}403-forbidden"),
        (404, "sip-outbound-unallocated-number"),
        (407, f"{FAULT}407-proxy-authentication-required"),
        (408, "customer-did-not-answer"),
        (410, "sip-outbound-unallocated-number"),
        (480, "customer-did-not-answer"),
        (484, "sip-outbound-unallocated-number"),
        (486, "customer-busy"),
        (487, "customer-did-not-answer"),
        (488, state.OUTBOUND_FAILED),
        (500, state.OUTBOUND_FAILED),
        (502, f"{FAULT}503-service-unavailable"),
        (503, f"{FAULT}503-service-unavailable"),
        (504, f"{FAULT}503-service-unavailable"),
        (600, "customer-busy"),
        (603, f"{FAULT}403-forbidden"),
        (604, "sip-outbound-unallocated-number"),
        (302, state.OUTBOUND_FAILED),
    ],
)
def test_the_reason_of_a_status(status: int, reason: str) -> None:
    assert endings.refused(status).reason == reason


@pytest.mark.parametrize(
    ("status", "cause", "reason"),
    [
        (503, 17, "customer-busy"),
        (500, 1, "sip-outbound-unallocated-number"),
        (480, 19, "customer-did-not-answer"),
        (403, 28, "sip-outbound-unallocated-number"),
        (603, 21, f"{FAULT}403-forbidden"),
        (480, 16, "customer-did-not-answer"),
        (503, 31, f"{FAULT}503-service-unavailable"),
        (480, 34, f"{FAULT}503-service-unavailable"),
        (500, 3, state.OUTBOUND_FAILED),
        (499, 17, "customer-busy"),
        (486, 34, "customer-busy"),
        (404, 17, "sip-outbound-unallocated-number"),
        (407, 17, f"{FAULT}407-proxy-authentication-required"),
    ],
)
def test_the_cause_decides_where_the_status_says_little(
    status: int, cause: int, reason: str
) -> None:
    ending = endings.refused(status, "", [("Reason", f"Q.850;cause={cause}")])
    assert ending.reason == reason
    assert f"Q.850 cause {cause}" in ending.sentence


@pytest.mark.parametrize("cause", range(0, 128))
def test_every_cause_has_an_ending(cause: int) -> None:
    headers = [("Reason", f"Q.850;cause={cause}")]
    assert is_told(endings.refused(480, "", headers))
    for dialed in (True, False):
        assert is_told(endings.ended("bye", headers, dialed=dialed))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('Q.850;cause=17;text="User busy"', (17, "User busy")),
        ('SIP;cause=200;text="a, b", q.850 ; cause = 16 ;text=Normal', (16, "Normal")),
        ("SIP;cause=486", (None, "")),
        ("Q.850;cause=12345", (None, "")),
        ("Q.850", (None, "")),
        ('Q.850;cause=17;text="open', (None, "")),
    ],
)
def test_the_reason_header_is_read(value: str, found: tuple[int | None, str]) -> None:
    assert endings.q850([("To", "x"), ("reason", value)]) == found


@given(st.text(max_size=200))
def test_any_reason_header_can_be_read(value: str) -> None:
    assert is_told(endings.refused(480, value, [("Reason", value), ("Reason", f"Q.850{value}")]))


def test_a_silent_gateway_is_not_a_silent_customer() -> None:
    silent = endings.refused(408, heard=False)
    assert silent.reason == f"{FAULT}408-request-timeout"
    unsent = endings.refused(503, "connection refused", heard=False)
    assert unsent.reason == f"{FAULT}503-service-unavailable"
    assert "connection refused" in unsent.sentence


@pytest.mark.parametrize(
    ("why", "inbound", "outbound"),
    [
        ("bye", "customer-ended-call", "customer-ended-call"),
        ("timeout", endings.COMPLETED, endings.CARRIER_RELEASED),
        ("transport", endings.COMPLETED, endings.CARRIER_RELEASED),
        ("gone", endings.COMPLETED, endings.CARRIER_RELEASED),
        ("expired", endings.COMPLETED, endings.CARRIER_RELEASED),
        ("no_ack", state.INBOUND_FAILED, state.OUTBOUND_FAILED),
        ("replaced", endings.COMPLETED, endings.COMPLETED),
        ("something new", endings.COMPLETED, endings.CARRIER_RELEASED),
    ],
)
def test_how_a_call_ended(why: str, inbound: str, outbound: str) -> None:
    assert endings.ended(why, dialed=False).reason == inbound
    assert endings.ended(why, dialed=True).reason == outbound
    assert is_told(endings.ended(why, dialed=True))


def test_a_network_that_breaks_the_call_is_not_the_customer() -> None:
    broken = [("Reason", 'Q.850;cause=38;text="Network out of order"')]
    ending = endings.ended("bye", broken, dialed=True)
    assert ending.reason == "sip-outbound-carrier-released-call"
    assert "Network out of order" in ending.sentence
    assert endings.ended("bye", broken, dialed=False).reason == endings.COMPLETED
    normal = [("Reason", "Q.850;cause=16")]
    assert endings.ended("bye", normal, dialed=True).reason == "customer-ended-call"


@pytest.mark.parametrize("what", sorted(endings.FAILURES))
def test_every_failure_of_ours_has_an_ending(what: str) -> None:
    for dialed in (True, False):
        ending = endings.failed(what, "the detail.", dialed=dialed)
        assert is_told(ending)
        assert ending.sentence.endswith(": the detail.")
        assert is_told(endings.failed(what, dialed=dialed))


@pytest.mark.parametrize("code", Code.__args__)  # type: ignore[attr-defined]  # a Literal has them
def test_every_denial_of_the_gate_has_an_ending(code: Code) -> None:
    ending = endings.denied(code, "It may not be.")
    assert is_told(ending)
    assert ending.sentence == "It may not be."


def test_who_gives_up_and_who_answered_elsewhere() -> None:
    assert endings.given_up().reason == state.CALLER_GAVE_UP
    elsewhere = endings.given_up([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
    assert "somewhere else" in elsewhere.sentence
