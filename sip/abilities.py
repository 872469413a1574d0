"""What we can do, as our headers say it, and what a peer says that it can do."""

from .errors import SipParseError
from .message import Headers, Message, Uri
from .settings import UserAgentSettings
from .transport import Hop

METHODS = (
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY",
    "MESSAGE",
)  # fmt: skip
ALLOW = ", ".join(METHODS)
ELSEWHERE = frozenset({"REGISTER", "PUBLISH"})
"""Methods that are known, but that nobody may use on a user agent: 405 and not 501."""
EXTENSIONS = ("100rel", "timer", "replaces", "norefersub")
SUPPORTED = ", ".join(EXTENSIONS)


def contact(
    settings: UserAgentSettings,
    hop: Hop,
    user: str | None = None,
    line: str | None = None,
    *,
    secure: bool = False,
) -> str:
    """The Contact that the peer at `hop` reaches us at; `secure` asks for a sips: URI.

    RFC 3261 §8.1.1.8: sips if the Request-URI or the topmost Route is. Otherwise TLS is named by
    the transport parameter.
    """
    scheme = "sips" if secure else "sip"
    name = f"{user}@" if user else ""
    suffix = "" if secure or hop.transport == "udp" else f";transport={hop.transport}"
    token = f";line={line}" if line else ""
    return f"<{scheme}:{name}{settings.address_towards(hop).authority}{suffix}{token}>"


def present(headers: Headers) -> None:
    """Say in a request or response what we can do."""
    headers.add("Allow", ALLOW)
    headers.add("Supported", SUPPORTED)


def options(message: Message, name: str) -> frozenset[str]:
    """The option tags of Supported or Require, in lower case; what cannot be read is not there."""
    return frozenset(tag.lower() for tag in _items(message, name))


def allowed(message: Message) -> frozenset[str] | None:
    """The methods that the sender takes; None if it does not say."""
    methods = _items(message, "Allow")
    return frozenset(method.upper() for method in methods) if methods else None


def is_secure(uri: Uri) -> bool:
    """Whether a URI insists on TLS all the way."""
    return uri.scheme == "sips"


def _items(message: Message, name: str) -> list[str]:
    try:
        return [item for item in message.headers.items_of(name) if item]
    except SipParseError:
        return []
