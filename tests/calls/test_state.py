"""The states of a call."""

import pytest

from aywa.calls import state


def test_every_status_leads_to_the_end_and_the_end_to_nothing() -> None:
    for status, following in state.NEXT.items():
        assert status not in following
        assert ("ended" in following) is (status != "ended")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (486, "customer-busy"),
        (600, "customer-busy"),
        (480, "customer-did-not-answer"),
        (404, "sip-outbound-unallocated-number"),
        (503, "call.in-progress.error-providerfault-outbound-sip-503-service-unavailable"),
        (499, state.OUTBOUND_FAILED),
    ],
)
def test_a_refusal_has_a_reason(status: int, reason: str) -> None:
    assert state.reason_of_refusal(status) == reason
