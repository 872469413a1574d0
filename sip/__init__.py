"""SIP: messages, transactions, dialogs and a user agent, over UDP, TCP and TLS.

Carries bodies without opening them; knows nothing of media, calls or documents.
"""

from .errors import LocalSipError, SipError, SipListenError, SipParseError
from .settings import UserAgentSettings
from .user_agent import UserAgent

__all__ = [
    "LocalSipError",
    "SipError",
    "SipListenError",
    "SipParseError",
    "UserAgent",
    "UserAgentSettings",
]
