"""Session descriptions (RFC 8866) and the offer/answer model (RFC 3264) for telephone audio.

SdpError          the text is no session description
NotAcceptable     it is one, but there is no common ground; SIP says 488
"""

from .crypto import Sdes, hidden_keys
from .description import MediaDescription, SdpError, SessionDescription
from .offer_answer import FORMATS, Codec, MediaPolicy, Negotiated, Session
from .security import Dtls, Fingerprint, NotAcceptable

__all__ = [
    "FORMATS",
    "Codec",
    "Dtls",
    "Fingerprint",
    "MediaDescription",
    "MediaPolicy",
    "Negotiated",
    "NotAcceptable",
    "Sdes",
    "SdpError",
    "Session",
    "SessionDescription",
    "hidden_keys",
]
