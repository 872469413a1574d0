"""The states of a call and the reasons why it ended, in the words of the REST contract.

    queued ─→ ringing ─→ in-progress ─→ ended
       └─────────┴──────────────────────↗

An inbound call begins in `ringing`, an outbound one in `queued`.
"""

from typing import Literal

CallStatus = Literal["queued", "ringing", "in-progress", "ended"]

NEXT: dict[CallStatus, frozenset[CallStatus]] = {
    "queued": frozenset({"ringing", "in-progress", "ended"}),
    "ringing": frozenset({"in-progress", "ended"}),
    "in-progress": frozenset({"ended"}),
    "ended": frozenset(),
}

ASSISTANT_ENDED = "assistant-ended-call"
FORWARDED = "assistant-forwarded-call"
CUSTOMER_ENDED = "customer-ended-call"
CALLER_GAVE_UP = "call.ringing.sip-inbound-caller-hungup-before-call-connect"
INBOUND_FAILED = "call.in-progress.error-sip-inbound-call-failed-to-connect"
OUTBOUND_FAILED = "call.in-progress.error-sip-outbound-call-failed-to-connect"
MANUALLY_CANCELED = "manually-canceled"
WORKER_SHUTDOWN = "worker-shutdown"
NO_CUSTOMER_AUDIO = "call.in-progress.error-assistant-did-not-receive-customer-audio"

PIPELINE_FAILURES = {
    "model-failed": "call.in-progress.error-pipeline-no-available-llm-model",
    "voice-failed": "pipeline-error-custom-voice-failed",
    "transcriber-failed": "pipeline-error-custom-transcriber-failed",
    "line-failed": NO_CUSTOMER_AUDIO,
}
"""What the conversation says of its own failures, in the words of the contract."""

PROVIDER_FAULT = "call.in-progress.error-providerfault-outbound-sip-"

_REFUSALS = {
    403: f"{PROVIDER_FAULT}403-forbidden",
    603: f"{PROVIDER_FAULT}403-forbidden",
    402: f"{PROVIDER_FAULT}403-forbidden",
    433: f"{PROVIDER_FAULT}403-forbidden",
    607: f"{PROVIDER_FAULT}403-forbidden",
    608: f"{PROVIDER_FAULT}403-forbidden",
    401: f"{PROVIDER_FAULT}407-proxy-authentication-required",
    407: f"{PROVIDER_FAULT}407-proxy-authentication-required",
    404: "sip-outbound-unallocated-number",
    410: "sip-outbound-unallocated-number",
    484: "sip-outbound-unallocated-number",
    604: "sip-outbound-unallocated-number",
    408: "customer-did-not-answer",
    480: "customer-did-not-answer",
    486: "customer-busy",
    487: "customer-did-not-answer",
    600: "customer-busy",
    502: f"{PROVIDER_FAULT}503-service-unavailable",
    503: f"{PROVIDER_FAULT}503-service-unavailable",
    504: f"{PROVIDER_FAULT}503-service-unavailable",
}


def reason_of_refusal(status: int) -> str:
    """The endedReason of an outbound call that was refused with a SIP status."""
    return _REFUSALS.get(status, OUTBOUND_FAILED)
