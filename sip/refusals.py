"""What a request is refused for before any call sees it, and the answer that says so (§8.2)."""

from collections.abc import Sequence

from .abilities import ALLOW, ELSEWHERE, EXTENSIONS, METHODS
from .errors import SipParseError
from .message import Request, Response
from .message.body import SDP
from .settings import UserAgentSettings
from .transport import Hop

HeaderPairs = Sequence[tuple[str, str]]

SPOKEN = (400, 500, 503)
"""Statuses that cover many faults: their phrase says which it was."""
SPOKEN_TYPES = ("application/dtmf-relay", "application/dtmf", "text/plain")
"""Bodies of INFO and MESSAGE that are told to the owner."""


def check_acceptable(request: Request, source: Hop) -> None:
    """Whether a request asks for what we can do. Raises SipParseError with the status."""
    method = request.method
    if method in ELSEWHERE:
        raise SipParseError(f"{method} is not for a user agent", status=405)
    if method not in METHODS and method != "SUBSCRIBE":
        raise SipParseError(f"{method[:32]} is not known", status=501)
    if request.to.tag is None:  # within a call they matter to nobody, and a BYE must not fail
        _check_target(request, source)
    hops = request.headers.first("Max-Forwards") or "70"
    if not hops.strip("0") and method != "OPTIONS":
        raise SipParseError("Max-Forwards is used up", status=483)
    required = request.headers.items_of("Require")
    if unknown := [tag for tag in required if tag.lower() not in EXTENSIONS]:
        raise SipParseError(", ".join(unknown), status=420)
    if method == "SUBSCRIBE":
        raise SipParseError("nothing here can be subscribed to", status=489)


def _check_target(request: Request, source: Hop) -> None:
    scheme = request.uri.scheme
    if scheme != "sip" and (scheme != "sips" or source.transport != "tls"):
        raise SipParseError(
            f"cannot serve a {scheme[:32]}: URI over {source.transport}", status=416
        )
    date = request.headers.first("Date")
    if date is not None and not date.endswith("GMT"):  # RFC 3261 §20.17
        raise SipParseError("Date is not in GMT")


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
    for name, value in _advice(request, status, why, settings):
        response.headers.add(name, value)
    response.headers.add("Server", settings.product)
    return response


def turned_away(
    request: Request, status: int, headers: HeaderPairs, settings: UserAgentSettings, tag: str
) -> Response:
    """The response by which the doorkeeper turns a peer away: it is not told why."""
    response = request.response(status, to_tag=tag)
    given = {name for name, _ in headers}
    usual = [pair for pair in _advice(request, status, "", settings) if pair[0] not in given]
    for name, value in [*headers, *usual, ("Server", settings.product)]:
        response.headers.add(name, value)
    return response


def _advice(request: Request, status: int, why: str, settings: UserAgentSettings) -> HeaderPairs:
    spoken = request.method in {"INFO", "MESSAGE"}
    advice: dict[int, HeaderPairs] = {
        405: [("Allow", ALLOW)],
        415: [
            ("Accept", ", ".join(SPOKEN_TYPES) if spoken else SDP),
            ("Accept-Encoding", "identity"),
        ],
        420: [("Unsupported", why)],
        422: [("Min-SE", str(settings.min_se_s))],
        489: [("Allow-Events", "refer")],
        500: [("Retry-After", "2")],  # §14.2: between 0 and 10 seconds
        501: [("Allow", ALLOW)],
        503: [("Retry-After", str(settings.retry_after_s))],
    }
    return advice.get(status, ())
