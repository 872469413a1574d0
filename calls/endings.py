"""Every way a call can fail: one reason of the REST contract, and a sentence a person understands.

A SIP status says what became of a request; the Reason header (RFC 3326) may say what became of the
call in the telephone network, as a cause of Q.850. Where the status is one that gateways use for
anything, the cause decides.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..sip.errors import SipParseError
from ..sip.message.grammar import split_list
from ..sip.message.reasons import phrase, printable
from . import state
from .trunks.gate import Code

HeaderList = Iterable[tuple[str, str]]

_FAULT = state.PROVIDER_FAULT
FORBIDDEN = f"{_FAULT}403-forbidden"
UNAUTHENTICATED = f"{_FAULT}407-proxy-authentication-required"
NO_RESPONSE = f"{_FAULT}408-request-timeout"
UNAVAILABLE = f"{_FAULT}503-service-unavailable"
UNALLOCATED = "sip-outbound-unallocated-number"
CARRIER_RELEASED = "sip-outbound-carrier-released-call"
COMPLETED = "call.in-progress.sip-completed-call"
RINGING_FAILED = "call.ringing.error-sip-inbound-call-failed-to-connect"
BUSY, NO_ANSWER = "customer-busy", "customer-did-not-answer"
NO_CAPACITY = "call.start.error-vapifault-worker-not-available"
WORKER_DIED = "call.in-progress.error-vapifault-worker-died"
CONCURRENCY = "call.start.error-subscription-concurrency-limit-reached"
NO_TRANSPORT, NO_CUSTOMER = "call.start.error-get-transport", "call.start.error-get-customer"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a call ended: a value of the contract, and a sentence."""

    reason: str
    sentence: str


# What the other end of an outbound call said ----------------------------------------------------

_SAID: dict[int, str] = {
    300: "The number can be reached at several addresses, and none was chosen.",
    301: "The number has moved to another address.",
    302: "The number is diverted to another address.",
    305: "The carrier wants the call to go through another proxy.",
    380: "The carrier offers another service instead of the call.",
    400: "The carrier could not read the call request.",
    401: "The carrier does not accept the trunk's username and password.",
    402: "The carrier wants payment before it connects the call.",
    403: "The carrier forbids the call.",
    404: "The number does not exist.",
    405: "The carrier does not take calls at this address.",
    406: "The carrier cannot answer in a form that we accept.",
    407: "The carrier does not accept the trunk's username and password.",
    408: "Nobody answered in time.",
    410: "The number is no longer in use.",
    413: "The call request was too large for the carrier.",
    414: "The called address was too long for the carrier.",
    415: "The carrier does not understand the kind of session that was offered.",
    416: "The carrier does not know this kind of address.",
    420: "The carrier lacks a SIP extension that the call asked for.",
    421: "The carrier demands a SIP extension that the call did not offer.",
    422: "The carrier wants a longer session interval.",
    423: "The carrier wants a longer interval.",
    433: "The called party does not take anonymous calls.",
    480: "The called party cannot be reached at the moment.",
    481: "The carrier lost the call.",
    482: "The call came back to where it was: a routing loop at the carrier.",
    483: "The call passed too many servers on its way.",
    484: "The number is incomplete.",
    485: "The number is ambiguous.",
    486: "The called party is busy.",
    487: "The call was given up before it was answered.",
    488: "The carrier accepts none of the offered codecs or encryption.",
    489: "The carrier does not know the event.",
    491: "The carrier is busy with another request of this call.",
    493: "The carrier could not decrypt the request.",
    494: "The carrier demands a security agreement.",
    500: "The carrier's server failed.",
    501: "The carrier cannot do what was asked.",
    502: "The carrier got a bad answer from the network behind it.",
    503: "The carrier is out of service or overloaded.",
    504: "The carrier got no answer from the network behind it.",
    505: "The carrier speaks another version of SIP.",
    513: "The call request was too large for the carrier.",
    580: "The carrier could not reserve what the call needs.",
    600: "The called party is busy everywhere.",
    603: "The called party declined the call.",
    604: "The number does not exist anywhere.",
    606: "The called party accepts none of the offered codecs or encryption.",
    607: "The called party does not want this call.",
    608: "The call was rejected by an analysis of unwanted calls.",
}
_CLASSES = {
    3: "The carrier redirected the call.",
    4: "The carrier refused the call.",
    5: "The carrier failed to connect the call.",
    6: "The call was refused everywhere.",
}

_GENERIC = frozenset({400, 403, 408, 410, 480, 487, 488, 500, 502, 503, 504, 580, 603})
"""Statuses that gateways give for many causes."""

_CAUSES: dict[int, tuple[str, str]] = {
    1: (UNALLOCATED, "The number is not assigned to anybody."),
    2: (state.OUTBOUND_FAILED, "The carrier has no route to the network of the number."),
    3: (state.OUTBOUND_FAILED, "The carrier has no route to the number."),
    17: (BUSY, "The called party is busy."),
    18: (NO_ANSWER, "The called party's telephone does not respond."),
    19: (NO_ANSWER, "It rang, and nobody answered."),
    20: (NO_ANSWER, "The called party's telephone is switched off or out of reach."),
    21: (FORBIDDEN, "The called party or the carrier rejected the call."),
    22: (UNALLOCATED, "The number has changed."),
    27: (NO_ANSWER, "The called party's line is out of order."),
    28: (UNALLOCATED, "The number is incomplete or not well formed."),
    29: (FORBIDDEN, "The network rejected a feature that the call asked for."),
    34: (UNAVAILABLE, "The carrier has no free line."),
    38: (UNAVAILABLE, "The telephone network is out of order."),
    41: (UNAVAILABLE, "The telephone network failed for the moment."),
    42: (UNAVAILABLE, "The telephone network is congested."),
    44: (UNAVAILABLE, "The carrier has no free line of the kind that was asked for."),
    47: (UNAVAILABLE, "The telephone network lacks a resource."),
    50: (FORBIDDEN, "The trunk has not subscribed to what the call asks for."),
    52: (FORBIDDEN, "The trunk may not place calls."),
    54: (FORBIDDEN, "The called party takes no calls."),
    55: (FORBIDDEN, "The called party takes no calls within its group."),
    57: (FORBIDDEN, "The trunk is not permitted to place this kind of call."),
    58: (UNAVAILABLE, "What the call asks for is not available at the moment."),
    65: (state.OUTBOUND_FAILED, "The network does not offer what the call asks for."),
    79: (state.OUTBOUND_FAILED, "The network does not offer what the call asks for."),
    87: (FORBIDDEN, "The caller does not belong to the called closed group."),
    88: (state.OUTBOUND_FAILED, "The called telephone is of an incompatible kind."),
    102: (NO_ANSWER, "A timer of the telephone network ran out."),
}
"""Q.850 causes of a call that did not come about. 16, 31 and 127 say nothing: the status counts."""

_NORMAL = frozenset({16, 31, 127, 0})


def refused(
    status: int, words: str = "", headers: HeaderList = (), *, heard: bool = True
) -> Ending:
    """An outbound call that was refused. `words` is the reason phrase.

    `heard` False: the status is our own word for a gateway that was silent (408), or to which
    nothing could be sent (503).
    """
    if not heard:
        return _unheard(status, words)
    cause, text = q850(headers)
    if cause in _CAUSES and (status in _GENERIC or status not in _SAID):
        reason, sentence = _CAUSES[cause]
        return Ending(reason, f"{sentence}{_quoted(status, text or words, cause)}")
    sentence = _SAID.get(status) or _CLASSES.get(status // 100, _CLASSES[5])
    return Ending(state.reason_of_refusal(status), f"{sentence}{_quoted(status, words, cause)}")


def _unheard(status: int, words: str) -> Ending:
    said = f" ({printable(words)})" if words else ""
    if status == 408:
        return Ending(NO_RESPONSE, f"No gateway of the trunk responded to the call request{said}.")
    return Ending(UNAVAILABLE, f"The call request could not be sent to any gateway{said}.")


def _quoted(status: int, words: str, cause: int | None) -> str:
    """The bare facts, for whoever asks the carrier about it."""
    q = f", Q.850 cause {cause}" if cause else ""
    return f" (SIP {status} {printable(words) or phrase(status)}{q})"


# How a call that was set up ended ---------------------------------------------------------------

_ENDED: dict[str, tuple[str, str, str]] = {
    "timeout": (COMPLETED, CARRIER_RELEASED, "The other end no longer answers our requests."),
    "transport": (COMPLETED, CARRIER_RELEASED, "The connection to the other end broke."),
    "gone": (COMPLETED, CARRIER_RELEASED, "The other end no longer knows the call."),
    "expired": (COMPLETED, CARRIER_RELEASED, "Nobody refreshed the session before it expired."),
    "no_ack": (
        state.INBOUND_FAILED,
        state.OUTBOUND_FAILED,
        "The other end never acknowledged our answer (no ACK in 32 seconds).",
    ),
    "replaced": (COMPLETED, COMPLETED, "Another call took the place of this one."),
}
"""By the SIP room's word: for an inbound call, for an outbound one, and in words."""


def ended(why: str, headers: HeaderList = (), *, dialed: bool) -> Ending:
    """A call that was answered and is over. `why` is `Ended.reason` of the SIP room."""
    if why == "bye":
        return _hung_up(headers, dialed)
    inbound, outbound, sentence = _ENDED.get(
        why, (COMPLETED, CARRIER_RELEASED, f"The call was lost: {printable(why)}.")
    )
    return Ending(outbound if dialed else inbound, sentence)


def _hung_up(headers: HeaderList, dialed: bool) -> Ending:
    cause, text = q850(headers)
    if cause is None or cause in _NORMAL or cause in (17, 18, 19, 20, 21):
        return Ending(state.CUSTOMER_ENDED, "The customer hung up.")
    said = f", {printable(text)}" if text else ""
    sentence = f"The carrier released the call (Q.850 cause {cause}{said})."
    return Ending(CARRIER_RELEASED if dialed else COMPLETED, sentence)


def given_up(headers: HeaderList = ()) -> Ending:
    """The caller of an inbound call gave up before we answered; or another answered it."""
    if any("completed elsewhere" in value.lower() for value in _reasons(headers)):
        return Ending(state.CALLER_GAVE_UP, "The call was answered somewhere else.")
    return Ending(state.CALLER_GAVE_UP, "The caller hung up before the call was answered.")


# What went wrong with us ------------------------------------------------------------------------

_FAILED: dict[str, tuple[str, str, str]] = {
    "no-common-codec": (
        RINGING_FAILED,
        state.OUTBOUND_FAILED,
        "Both ends have no codec or encryption in common.",
    ),
    "bad-description": (
        RINGING_FAILED,
        state.OUTBOUND_FAILED,
        "The other end's session description cannot be read.",
    ),
    "no-media-port": (NO_CAPACITY, NO_CAPACITY, "No media stream could be opened for the call."),
    "media-plane": (
        RINGING_FAILED,
        state.OUTBOUND_FAILED,
        "The media process failed while the call was set up.",
    ),
    "media-lost": (
        WORKER_DIED,
        WORKER_DIED,
        "The call lost its audio.",
    ),
    "no-media": (
        state.NO_CUSTOMER_AUDIO,
        state.NO_CUSTOMER_AUDIO,
        "Nothing was heard from the other end for too long.",
    ),
    "dtls": (
        state.INBOUND_FAILED,
        state.OUTBOUND_FAILED,
        "The media could not be encrypted: the DTLS handshake failed.",
    ),
    "tls": (
        state.INBOUND_FAILED,
        UNAVAILABLE,
        "No secure connection to the gateway: its certificate or TLS version was not accepted.",
    ),
    "dns": (NO_TRANSPORT, NO_TRANSPORT, "The host name of the gateway leads nowhere."),
    "trunk-down": (NO_TRANSPORT, NO_TRANSPORT, "The trunk cannot take the call now."),
    "registration-down": (NO_TRANSPORT, NO_TRANSPORT, "The trunk is not registered."),
    "bad-uri": (NO_CUSTOMER, NO_CUSTOMER, "The called address cannot be used."),
    "ring-timeout": (RINGING_FAILED, NO_ANSWER, "Nobody answered in the time that was allowed."),
    "max-duration": (
        "exceeded-max-duration",
        "exceeded-max-duration",
        "The call reached its longest permitted duration.",
    ),
    "capacity": (NO_CAPACITY, NO_CAPACITY, "All calls that the runtime permits are in use."),
    "draining": (
        state.WORKER_SHUTDOWN,
        state.WORKER_SHUTDOWN,
        "The runtime is being stopped and takes no more calls.",
    ),
    "shutdown": (
        state.WORKER_SHUTDOWN,
        state.WORKER_SHUTDOWN,
        "The runtime was stopped during the call.",
    ),
    "store": (
        "call.start.error-vapifault-database-error",
        "call.start.error-vapifault-database-error",
        "The store could not be read or written.",
    ),
    "canceled": (
        state.MANUALLY_CANCELED,
        state.MANUALLY_CANCELED,
        "The call was ended over the API.",
    ),
    "bug": (
        state.INBOUND_FAILED,
        state.OUTBOUND_FAILED,
        "The runtime failed; its log has the details.",
    ),
}
"""By our own word: for an inbound call, for an outbound one, and in words."""

FAILURES = frozenset(_FAILED)
"""The words that `failed` knows."""


def failed(what: str, detail: str = "", *, dialed: bool) -> Ending:
    """A call that we could not set up or hold. `what` is one of FAILURES."""
    inbound, outbound, sentence = _FAILED.get(what, _FAILED["bug"])
    said = printable(detail.rstrip("."))
    if said:
        sentence = f"{sentence.rstrip('.')}: {said}."
    return Ending(outbound if dialed else inbound, sentence)


# What the gate said -----------------------------------------------------------------------------

_DENIED: dict[Code, str] = {
    "no-trunk": NO_TRANSPORT,
    "not-a-number": NO_CUSTOMER,
    "emergency-number": NO_CUSTOMER,
    "costly-number": NO_CUSTOMER,
    "denied-number": NO_CUSTOMER,
    "unlisted-number": NO_CUSTOMER,
    "target-not-permitted": NO_CUSTOMER,
    "too-many-calls-per-second": NO_CAPACITY,
    "too-many-calls": CONCURRENCY,
    "minutes-used-up": CONCURRENCY,
}


def denied(code: Code, sentence: str) -> Ending:
    """A call that the gate did not let out."""
    return Ending(_DENIED[code], sentence)


# Reason headers ---------------------------------------------------------------------------------

_Q850 = re.compile(r"\s*Q\.850\s*(;.*)", re.IGNORECASE | re.DOTALL)
_CAUSE = re.compile(r";\s*cause\s*=\s*([0-9]{1,3})(?![0-9])", re.IGNORECASE)
_TEXT = re.compile(r';\s*text\s*=\s*(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


def q850(headers: HeaderList) -> tuple[int | None, str]:
    """The cause of the first Reason value with protocol Q.850, and its text (RFC 3326 §2)."""
    for value in _reasons(headers):
        for item in _items(value):
            if match := _Q850.fullmatch(item):
                cause, text = _CAUSE.search(match[1]), _TEXT.search(match[1])
                if cause:
                    return int(cause[1]), (text[1] or text[2] or "") if text else ""
    return None, ""


def _reasons(headers: HeaderList) -> list[str]:
    return [value for name, value in headers if name.lower() == "reason"]


def _items(value: str) -> list[str]:
    try:
        return split_list(value)
    except SipParseError:
        return []  # unbalanced quotes: it says nothing
