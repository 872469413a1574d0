"""What a request is refused for before any call sees it, and the answer that says so (§8.2)."""

from collections.abc import Sequence

from .errors import SipParseError
from .message import Request, Response
from .message.body import SDP
from .settings import UserAgentSettings

HeaderPairs = Sequence[tuple[str, str]]

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS")
ALLOW = ", ".join(METHODS)
SPOKEN = (400, 500, 503)
"""Statuses that cover many faults: their phrase says which it was."""


def check_acceptable(request: Request) -> None:
    """Whether a request asks for what we can do. Raises SipParseError with the status."""
    if request.method not in METHODS:
        raise SipParseError(f"{request.method[:32]} is not supported", status=405)
    if request.uri.scheme != "sip":
        raise SipParseError(f"cannot serve a {request.uri.scheme[:32]}: URI", status=416)
    hops = request.headers.first("Max-Forwards") or "70"
    if not hops.strip("0") and request.method != "OPTIONS":
        raise SipParseError("Max-Forwards is used up", status=483)
    if required := request.headers.items_of("Require"):
        raise SipParseError(", ".join(required), status=420)


def check_accept(request: Request) -> None:
    """Whether a caller takes the answer we would give. Raises SipParseError."""
    accepted = request.headers.items_of("Accept")
    kinds = {item.partition(";")[0].strip().lower() for item in accepted}
    if accepted and not kinds & {SDP, "application/*", "*/*"}:
        raise SipParseError(f"Accept leaves out {SDP}", status=406)


def refusal(
    request: Request, status: int, why: str, settings: UserAgentSettings, tag: str
) -> Response:
    """The response that refuses a request, with the headers that its status asks for."""
    response = request.response(status, why if status in SPOKEN else None, to_tag=tag)
    for name, value in _advice(status, why, settings):
        response.headers.add(name, value)
    response.headers.add("Server", settings.product)
    return response


def _advice(status: int, why: str, settings: UserAgentSettings) -> HeaderPairs:
    match status:
        case 405:
            return [("Allow", ALLOW)]
        case 415:
            return [("Accept", SDP), ("Accept-Encoding", "identity")]
        case 420:
            return [("Unsupported", why)]
        case 500:  # §14.2: between 0 and 10 seconds
            return [("Retry-After", "2")]
        case 503:
            return [("Retry-After", str(settings.retry_after_s))]
        case _:
            return []
