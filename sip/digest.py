"""Digest authentication: the arithmetic, and the side that answers challenges.

RFC 3261 §22, RFC 7616, RFC 8760. Of several challenges of a realm the first whose algorithm we
know is answered, in the order of the server. `qop` is `auth` or none: no trunk asks for `auth-int`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..base.ids import Entropy
from .errors import SipParseError
from .message import Request, Response
from .message.credentials import AuthValue, parse_auth
from .message.grammar import quoted

Algorithm = Literal["MD5", "SHA-256", "SHA-512-256"]
ALGORITHMS: dict[str, tuple[Algorithm, str]] = {
    "md5": ("MD5", "md5"),
    "sha-256": ("SHA-256", "sha256"),
    "sha-512-256": ("SHA-512-256", "sha512_256"),
}
"""By name in lower case: the name as it is written, and that of the hash function."""

CHALLENGES = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}
ANSWERS = {401: "Authorization", 407: "Proxy-Authorization"}
MAX_REALMS = 8


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and its password; with `realm` they are told to that realm alone."""

    username: str
    password: str = field(repr=False)
    realm: str | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks."""

    realm: str
    nonce: str
    algorithm: Algorithm
    session: bool
    """The `-sess` form of the algorithm."""
    qop: bool
    stale: bool
    opaque: str | None
    named: bool
    """The challenge names its algorithm, so the answer does too."""

    @classmethod
    def of(cls, value: AuthValue) -> "Challenge | None":
        """A challenge that we can answer, else None."""
        name = value.get("algorithm") or "MD5"
        known = ALGORITHMS.get(name.lower().removesuffix("-sess"))
        realm, nonce, qop = value.get("realm"), value.get("nonce"), value.get("qop")
        choices = {choice.strip().lower() for choice in (qop or "").split(",")}
        unknown = value.scheme != "digest" or known is None or realm is None or nonce is None
        if unknown or (qop is not None and "auth" not in choices):
            return None
        return cls(
            realm=realm or "",
            nonce=nonce or "",
            algorithm=known[0] if known else "MD5",
            session=name.lower().endswith("-sess"),
            qop=qop is not None,
            stale=(value.get("stale") or "").lower() == "true",
            opaque=value.get("opaque"),
            named="algorithm" in value.parameters,
        )


def digest(
    credentials: Credentials, challenge: Challenge, method: str, uri: str, nc: str, cnonce: str
) -> str:
    """The `response` parameter (RFC 7616 §3.4.1)."""
    _, function = ALGORITHMS[challenge.algorithm.lower()]

    def h(*parts: str) -> str:
        return hashlib.new(function, _octets(":".join(parts))).hexdigest()

    first = h(credentials.username, challenge.realm, credentials.password)
    if challenge.session:
        first = h(first, challenge.nonce, cnonce)
    second = h(method, uri)
    if challenge.qop:
        return h(first, challenge.nonce, nc, cnonce, "auth", second)
    return h(first, challenge.nonce, second)


def _octets(text: str) -> bytes:
    """A peer's octets that are no UTF-8 go back as they came (see the parser)."""
    return text.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Known:
    challenge: Challenge
    uses: int = 0


class Authenticator:
    """Answers challenges with one set of credentials, and remembers nonces to use them again."""

    def __init__(self, credentials: Credentials, entropy: Entropy) -> None:
        self.credentials = credentials
        self._entropy = entropy
        self._known: dict[tuple[int, str], _Known] = {}

    def authorize(self, request: Request) -> None:
        """Add an answer to every challenge that is known, before anybody asks (§22.3)."""
        for (status, _), known in self._known.items():
            known.uses += 1
            request.headers.add(ANSWERS[status], self._answer(request, known))

    def learn(self, response: Response) -> "list[Learned]":
        """Take the challenges of a 401 or 407; gives those that can be answered.

        An empty list: there is nothing to try again with.
        """
        status = response.status
        learned: list[Learned] = []
        for challenge in _answerable(response):
            key = (status, challenge.realm)
            if self.credentials.realm not in (None, challenge.realm):
                continue
            if any(one.realm == challenge.realm for one in learned):
                continue  # a later algorithm of the same realm
            if len(self._known) >= MAX_REALMS and key not in self._known:
                continue
            learned.append(Learned(status, challenge.realm, challenge.stale))
            before = self._known.get(key)
            same = before is not None and before.challenge.nonce == challenge.nonce
            self._known[key] = _Known(challenge, before.uses if before and same else 0)
        return learned

    def _answer(self, request: Request, known: _Known) -> str:
        challenge = known.challenge
        nc, cnonce = f"{known.uses:08x}", self._entropy.token(8)
        uri = request.target
        response = digest(self.credentials, challenge, request.method, uri, nc, cnonce)
        parts = [
            f"username={quoted(self.credentials.username)}",
            f"realm={quoted(challenge.realm)}",
            f"nonce={quoted(challenge.nonce)}",
            f"uri={quoted(uri)}",
            f'response="{response}"',
        ]
        if challenge.named:
            parts.append(f"algorithm={challenge.algorithm}{'-sess' if challenge.session else ''}")
        if challenge.qop:
            parts.append(f'cnonce="{cnonce}", qop=auth, nc={nc}')
        elif challenge.session:
            parts.append(f'cnonce="{cnonce}"')
        if challenge.opaque is not None:
            parts.append(f"opaque={quoted(challenge.opaque)}")
        return "Digest " + ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Learned:
    """A challenge that can be answered now."""

    status: int
    realm: str
    stale: bool


def _answerable(response: Response) -> Iterator[Challenge]:
    for header in response.headers.all(CHALLENGES.get(response.status, "")):
        try:
            values = parse_auth(header)
        except SipParseError:
            continue  # a header that cannot be read is one that cannot be answered
        for value in values:
            if challenge := Challenge.of(value):
                yield challenge
