"""Finding the session description in a message's body, without reading it."""

import re

from ..errors import SipParseError
from .grammar import SWS, TOKEN, shown, unquoted
from .message import Message
from .parameters import Parameters

SDP = "application/sdp"

_MEDIA_TYPE = re.compile(rf"({TOKEN}){SWS}/{SWS}({TOKEN})(.*)", re.DOTALL)
_PART_TYPE = re.compile(rb"(?:\A|\r\n)content-type[ \t]*+:[ \t]*+([^\r\n]*+)", re.IGNORECASE)


def session_body(message: Message) -> bytes | None:
    """The SDP that a message carries, None if it carries no body.

    Looks into a multipart body (RFC 5621 §3.1). Raises SipParseError with status 415 when there is
    a body of another type or coding, and with status 400 when its type is not told.
    """
    if not message.body:
        return None
    coding = message.headers.first("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise SipParseError(f"Content-Encoding {shown(coding)} is not understood", status=415)
    declared = message.headers.first("Content-Type")
    if declared is None:
        raise SipParseError("there is a body, but no Content-Type")
    media_type, parameters = _media_type(declared)
    if media_type == SDP:
        return message.body
    if media_type.startswith("multipart/"):
        part = _sdp_part(message.body, unquoted(parameters.get("boundary") or ""))
        if part is not None:
            return part
    raise SipParseError(f"Content-Type {shown(declared)} holds no {SDP}", status=415)


def _media_type(value: str) -> tuple[str, Parameters]:
    match = _MEDIA_TYPE.fullmatch(value)
    if match is None:
        raise SipParseError(f"Content-Type {shown(value)} is not type/subtype")
    return f"{match[1]}/{match[2]}".lower(), Parameters.parse(match[3])


def _sdp_part(body: bytes, boundary: str) -> bytes | None:
    """The first SDP part between the boundaries (RFC 2046 §5.1.1)."""
    if not boundary:
        return None
    delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    for part in (b"\r\n" + body).split(delimiter)[1:]:
        if part.startswith(b"--"):
            return None
        head, blank, content = part.partition(b"\r\n\r\n")
        match = _PART_TYPE.search(head)
        if blank and match and _is_sdp(match[1].decode("utf-8", "surrogateescape")):
            return content
    return None


def _is_sdp(value: str) -> bool:
    try:
        return _media_type(value.strip(" \t"))[0] == SDP
    except SipParseError:
        return False
