"""Who is asking: an API key stands for an organisation."""

import hashlib
import hmac
from collections.abc import Mapping

from starlette.requests import Request

from .problems import Problem


class ApiKeys:
    """The keys that open the API, held as SHA-256 digests only."""

    def __init__(self, organisations: Mapping[str, str]) -> None:
        """`organisations`: hexadecimal SHA-256 digest of a key → id of its organisation."""
        self._organisations = {bytes.fromhex(d): org for d, org in organisations.items()}

    @classmethod
    def of(cls, keys: Mapping[str, str]) -> "ApiKeys":
        """From the keys themselves, each with its organisation's id."""
        return cls({digest_of(key): org_id for key, org_id in keys.items()})

    def organisation_of(self, key: str) -> str | None:
        """The id of the organisation a key stands for. Takes as long for a wrong key as for any."""
        offered = bytes.fromhex(digest_of(key))
        found = None
        for digest, org_id in self._organisations.items():
            if hmac.compare_digest(digest, offered):
                found = org_id
        return found


def digest_of(key: str) -> str:
    """The hexadecimal SHA-256 digest of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def authenticate(request: Request, keys: ApiKeys) -> str:
    """The id of the organisation that asks. Raises Problem 401."""
    key = _offered_key(request)
    if key is None:
        raise _refused("An API key is needed: send Authorization: Bearer <key>, or X-API-Key.")
    org_id = keys.organisation_of(key)
    if org_id is None:
        raise _refused("The API key is not valid.")
    return org_id


def _offered_key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return request.headers.get("x-api-key") or None


def _refused(message: str) -> Problem:
    return Problem(401, message, {"WWW-Authenticate": "Bearer"})
