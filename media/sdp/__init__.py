"""Session descriptions (RFC 8866) and the offer/answer model (RFC 3264) for telephone audio.

SdpError          the text is no session description
NotAcceptable     it is one, but there is no common ground; SIP says 488
"""

from .description import MediaDescription, SdpError, SessionDescription
from .offer_answer import Negotiated, NotAcceptable, Session

__all__ = [
    "MediaDescription",
    "Negotiated",
    "NotAcceptable",
    "SdpError",
    "Session",
    "SessionDescription",
]
