"""SIP messages as values: grammar, headers, parser, serialiser. Usable alone.

`parse_message(data)` reads a datagram, `StreamParser` cuts a stream, `bytes(message)` writes.
Knows nothing of transactions, dialogs or sockets.
"""

from ..errors import SipParseError
from .address import Address
from .cseq import CSeq
from .headers import Headers
from .message import Message, Request, Response
from .parameters import Parameters
from .parser import StreamParser, parse_message
from .uri import Uri
from .via import Via

__all__ = [
    "Address",
    "CSeq",
    "Headers",
    "Message",
    "Parameters",
    "Request",
    "Response",
    "SipParseError",
    "StreamParser",
    "Uri",
    "Via",
    "parse_message",
]
