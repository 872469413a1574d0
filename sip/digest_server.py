"""Digest authentication: the side that challenges.

Nonces are stateless: the time, some salt, and a keyed hash that nobody else can make. What is
remembered is the highest count that each nonce was used with, so that an answer cannot be used
twice; the memory is bounded, and a nonce that was forgotten is answered with `stale`.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from ..base.ids import Entropy
from .digest import Challenge, Credentials, digest
from .doorkeeper import Account
from .errors import SipParseError
from .message import Request
from .message.credentials import AuthValue, parse_auth
from .message.grammar import quoted

OFFERED = ("SHA-256", "MD5")
"""In our order of preference (RFC 8760 §2.4)."""

NONCE_S = 300
NONCES_REMEMBERED = 10_000
MAX_COUNT = 0xFFFFFFFF

Failure = Literal["missing", "unreadable", "stale", "unknown", "wrong"]


class DigestServer:
    """Challenges requests and judges the answers. Times are seconds of one clock."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._key = entropy.token(32).encode()
        self._used: OrderedDict[str, int] = OrderedDict()
        self._forgotten_before = 0

    def challenge(self, realm: str, now: float, *, stale: bool = False) -> list[str]:
        """The WWW-Authenticate fields of a 401, the best algorithm first."""
        nonce = self._nonce(int(now))
        also = ", stale=true" if stale else ""
        return [
            f'Digest realm={quoted(realm)}, nonce="{nonce}", algorithm={name}, qop="auth"{also}'
            for name in OFFERED
        ]

    def verify(
        self,
        request: Request,
        realm: str,
        account_of: Callable[[str], Account | None],
        now: float,
    ) -> Account | Failure:
        """Who sent the request, or why nobody is believed."""
        value = self._answer(request, realm)
        if not isinstance(value, AuthValue):
            return value
        challenge = Challenge.of(value)
        username = value.get("username") or ""
        if challenge is None or value.get("uri") != request.target:
            return "unreadable"
        account = account_of(username)
        # The hash is made for unknown users too: how long it takes tells nobody who exists.
        credentials = Credentials(username, account.password if account else "")
        nc, cnonce = value.get("nc") or "", value.get("cnonce") or ""
        expected = digest(credentials, challenge, request.method, request.target, nc, cnonce)
        given = (value.get("response") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given):
            return "wrong" if account else "unknown"
        if account is None:
            return "unknown"
        return account if self._is_fresh(challenge, nc, now) else "stale"

    def _answer(self, request: Request, realm: str) -> AuthValue | Failure:
        found: Failure = "missing"
        for field in request.headers.all("Authorization"):
            try:
                values = parse_auth(field)
            except SipParseError:
                found = "unreadable"
                continue
            for value in values:
                if value.scheme == "digest" and value.get("realm") == realm:
                    return value
        return found

    def _is_fresh(self, challenge: Challenge, nc: str, now: float) -> bool:
        """Whether the nonce is ours, young, and its count higher than ever before."""
        made = self._made_at(challenge.nonce)
        if made is None or not made - 1 <= now <= made + NONCE_S or made < self._forgotten_before:
            return False
        try:
            count = int(nc, 16) if challenge.qop else MAX_COUNT  # without a count: one use
        except ValueError:
            return False
        if not self._used.get(challenge.nonce, 0) < count <= MAX_COUNT:
            return False
        self._used[challenge.nonce] = count
        self._used.move_to_end(challenge.nonce)
        while len(self._used) > NONCES_REMEMBERED:
            forgotten, _ = self._used.popitem(last=False)
            self._forgotten_before = (self._made_at(forgotten) or 0) + 1
        return True

    def _nonce(self, at: int) -> str:
        start = f"{at:x}-{self._entropy.token(4)}"
        return f"{start}-{self._seal(start)}"

    def _made_at(self, nonce: str) -> int | None:
        """When we made a nonce; None if we did not."""
        start, _, seal = nonce.rpartition("-")
        sealed = self._seal(start)
        if not hmac.compare_digest(seal.encode("utf-8", "surrogateescape"), sealed.encode()):
            return None
        return int(start.partition("-")[0], 16)

    def _seal(self, start: str) -> str:
        material = start.encode("utf-8", "surrogateescape")
        return hmac.new(self._key, material, hashlib.sha256).hexdigest()[:32]
