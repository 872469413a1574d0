"""Why a call ended, in the words of the contract."""

import pytest

from aywa.calls import state


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
