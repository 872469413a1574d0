"""SRTP keys in SDP (SDES, RFC 4568): the `crypto` attribute.

Ours are always padded base64, theirs need not be: deployed relays leave the `=` out. Lifetimes are
read past, since no call lasts 2^31 packets. A master key identifier or a session parameter changes
what goes over the wire, so a line with one is not taken.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Literal

from .description import MediaDescription

Suite = Literal[
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
]
KEY_OCTETS: dict[Suite, int] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_256_GCM": 44,
    "AEAD_AES_128_GCM": 28,
}
"""Master key and salt together, by suite, in our order of offering."""

MAX_LINES = 16

_LINE = re.compile(r"(\d{1,9}) +(\S+) +inline:([A-Za-z0-9+/]+={0,2})(?:\|(?:2\^)?\d+)?(?: +(.*))?")
_INLINE = re.compile(rb"(?<=inline:)[A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class Crypto:
    """One `a=crypto` line."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, value: str) -> "Crypto | None":
        """Read the value of a crypto attribute; None for one that we do not take."""
        match = _LINE.fullmatch(value.strip())
        if match is None or match[4]:
            return None
        suite = next((known for known in KEY_OCTETS if known == match[2].upper()), None)
        text = match[3].rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
        if suite is None or len(key) != KEY_OCTETS[suite]:
            return None
        return cls(int(match[1]), suite, key)

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


@dataclass(frozen=True, slots=True)
class Sdes:
    """What both sides agreed on: one suite, a key for each direction."""

    suite: Suite
    local_key: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)


def cryptos(media: MediaDescription) -> list[Crypto]:
    """The lines of an m-line that we could take, in the peer's order."""
    values = [value for name, value in media.attributes if name == "crypto"][:MAX_LINES]
    return [line for line in map(Crypto.parse, values) if line]


def hidden_keys(message: bytes) -> bytes:
    """A SIP message or description whose keys are replaced by stars, octet for octet."""
    return _INLINE.sub(lambda match: b"*" * len(match[0]), message)
