"""How our side of a session is secured: plain, by keys in SDP (RFC 4568) or by DTLS (RFC 5763).

Says which transports of the peer's are permitted, writes the attributes that belong to ours, and
reads the peer's: what comes out is `Sdes` or `Dtls`, all that the media plane has to know.
"""

from dataclasses import dataclass
from typing import Literal

from ...base.errors import AywaError
from ...base.ids import Entropy
from .crypto import KEY_OCTETS, Crypto, Sdes, Suite, cryptos
from .description import Attributes, MediaDescription, SessionDescription

Security = Literal["off", "optional", "required"]
"""`off`: plain RTP only. `optional`: we offer plain RTP, and answer what is offered. `required`:
SRTP or no call."""
Keying = Literal["sdes", "dtls"]
"""Where the keys of an offer of ours come from; an answer follows the offer."""

PLAIN = ("RTP/AVP", "RTP/AVPF")
SECURE = ("RTP/SAVP", "RTP/SAVPF")
OVER_DTLS = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")

MAX_FINGERPRINTS = 8
_DIGEST_OCTETS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""The hash functions that we trust with a certificate (RFC 8122 §5 forbids the weaker ones)."""

Fingerprint = tuple[str, bytes]
"""Hash function (RFC 8122 name) and digest of a certificate."""


class NotAcceptable(AywaError):
    """There is no common ground; the message says what the peer offers and what we take."""


@dataclass(frozen=True, slots=True)
class Dtls:
    """What both sides agreed on: who begins, and whose certificate the peer will show."""

    active: bool
    """We send the ClientHello."""
    association: int
    """Another number is another association: its handshake begins anew."""
    fingerprints: tuple[Fingerprint, ...]
    """Of the peer's certificate; any one of them proves it."""


def fingerprints(session: SessionDescription, media: MediaDescription) -> tuple[Fingerprint, ...]:
    """The fingerprints of the peer's certificate that we could check."""
    for attributes in (media.attributes, session.attributes):
        values = [value for name, value in attributes if name == "fingerprint"]
        if values:
            read = map(_fingerprint, values[:MAX_FINGERPRINTS])
            return tuple(one for one in read if one)
    return ()


def _fingerprint(value: str) -> Fingerprint | None:
    function, _, text = value.strip().partition(" ")
    function = function.lower()
    try:
        digest = bytes.fromhex(text.strip().replace(":", ""))
    except ValueError:
        return None
    return (function, digest) if len(digest) == _DIGEST_OCTETS.get(function) else None


class Securing:
    """One session's side of it: keys for the life of the session, and the role once taken."""

    def __init__(
        self,
        security: Security,
        keying: Keying,
        fingerprint: Fingerprint | None,
        association: int,
        entropy: Entropy,
    ) -> None:
        """`fingerprint` is of the media plane's certificate; None: DTLS is not to be had."""
        self._security = security
        self._fingerprint = fingerprint
        self._association = association
        self._entropy = entropy
        self._keys: dict[Suite, bytes] = {}
        self._agreed: tuple[Crypto, ...] = ()
        """The crypto line that was agreed on, as ours."""
        self._dtls: Dtls | None = None
        secure = OVER_DTLS if keying == "dtls" and fingerprint else SECURE
        self.protocol = (secure if security == "required" else PLAIN)[0]
        """The transport of our m-line."""

    @property
    def by_dtls(self) -> bool:
        """Whether the session's m-line is of DTLS."""
        return self.protocol in OVER_DTLS

    def permits(self, session: SessionDescription, media: MediaDescription) -> bool:
        """Whether the transport is one that we may take, with all that it needs."""
        if media.protocol in PLAIN:
            return self._security != "required"
        if self._security == "off":
            return False
        if media.protocol in SECURE:
            return bool(cryptos(media))
        known = media.protocol in OVER_DTLS and self._fingerprint is not None
        return known and bool(fingerprints(session, media))

    def wanted(self) -> str:
        """The transports that we take, for an operator."""
        take = "RTP/SAVP with a crypto line that we know"
        if self._fingerprint:
            take += ", or UDP/TLS/RTP/SAVP with a fingerprint"
        return {"off": "RTP/AVP", "required": take}.get(self._security, f"RTP/AVP, {take}")

    def offered(self) -> Attributes:
        """The attributes of an offer: the agreed key, else one of every suite."""
        if self.by_dtls:
            return self._certificate("actpass")
        if self.protocol in PLAIN:
            return ()
        return _lines(self._agreed or self._of_every_suite())

    def answer(
        self, session: SessionDescription, media: MediaDescription
    ) -> tuple[Attributes, Sdes | Dtls | None]:
        """Our attributes in the answer to an offer that is permitted, and what they agree on."""
        self.protocol = media.protocol
        self._agreed = ()
        if self.by_dtls:
            # An association that stands keeps its roles (RFC 8842 §5.3); else we begin, which
            # opens a NAT on our side and is what RFC 5763 §5 recommends.
            active = self._setup(session, media) != "active"
            if self._dtls and self._setup(session, media) == "actpass":
                active = self._dtls.active
            agreed = self._agree(session, media, active=active)
            return self._certificate("active" if active else "passive"), agreed
        if self.protocol in PLAIN:
            return (), None
        line = cryptos(media)[0]
        key = self._key(line.suite)
        self._agreed = (Crypto(line.tag, line.suite, key),)
        return _lines(self._agreed), Sdes(line.suite, key, line.key)

    def accept(self, session: SessionDescription, media: MediaDescription) -> Sdes | Dtls | None:
        """What the peer's answer to our offer agrees on. Raises NotAcceptable."""
        if self.by_dtls:
            return self._agree(session, media, active=self._setup(session, media) == "passive")
        if self.protocol in PLAIN:
            return None
        offered = {line.tag: line for line in self._agreed or self._of_every_suite()}
        for theirs in cryptos(media):
            own = offered.get(theirs.tag)
            if own and own.suite == theirs.suite:
                self._agreed = (own,)
                return Sdes(own.suite, own.key, theirs.key)
        raise NotAcceptable("the answer takes none of the SRTP keys that were offered")

    def _agree(self, session: SessionDescription, media: MediaDescription, *, active: bool) -> Dtls:
        self._dtls = Dtls(active, self._association, fingerprints(session, media))
        return self._dtls

    @staticmethod
    def _setup(session: SessionDescription, media: MediaDescription) -> str:
        """Who begins, as the peer has it; by default whoever offers may take either part."""
        return (media.attribute("setup") or session.attribute("setup") or "actpass").lower()

    def _certificate(self, setup: str) -> Attributes:
        function, digest = self._fingerprint or ("", b"")
        return (("setup", setup), ("fingerprint", f"{function} {digest.hex(':').upper()}"))

    def _of_every_suite(self) -> tuple[Crypto, ...]:
        return tuple(Crypto(n, suite, self._key(suite)) for n, suite in enumerate(KEY_OCTETS, 1))

    def _key(self, suite: Suite) -> bytes:
        """Our key for a suite: one for the life of the session."""
        if suite not in self._keys:
            self._keys[suite] = bytes.fromhex(self._entropy.token(KEY_OCTETS[suite]))
        return self._keys[suite]


def _lines(keys: tuple[Crypto, ...]) -> Attributes:
    return tuple(("crypto", str(line)) for line in keys)
