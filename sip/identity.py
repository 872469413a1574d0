"""Who calls, and by which way the call came, as the headers of an INVITE tell it.

P-Asserted-Identity and Privacy (RFC 3325), Remote-Party-ID, Diversion (RFC 5806), History-Info
(RFC 7044), and the PASSporT of a STIR/SHAKEN Identity header (RFC 8224, RFC 8588). The PASSporT is
decoded, not verified: whoever relies on it must check its signature against the certificate that
`info` names.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .errors import SipParseError
from .message import Address
from .message.grammar import split_list

MAX_ENTRIES = 20
MAX_PASSPORT = 16_384


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody a header names, with the header's own parameters."""

    uri: str
    name: str | None
    parameters: tuple[tuple[str, str | None], ...] = ()

    @property
    def user(self) -> str | None:
        """The user part of a sip: URI, or the number of a tel: URI."""
        scheme, _, rest = self.uri.partition(":")
        if scheme.lower() == "tel":
            return rest.partition(";")[0]
        user, at, _ = rest.partition("@")
        return user.partition(";")[0] if at else None

    def as_document(self) -> dict[str, Any]:
        """As JSON."""
        shown = {"uri": self.uri, "name": self.name, "parameters": dict(self.parameters)}
        return {key: value for key, value in shown.items() if value}


@dataclass(frozen=True, slots=True)
class Passport:
    """A decoded PASSporT. Nobody has checked its signature."""

    header: dict[str, Any]
    payload: dict[str, Any]
    parameters: tuple[tuple[str, str], ...]
    token: str
    """The whole Identity value, for whoever wants to verify it."""

    @property
    def attestation(self) -> str | None:
        """`A`, `B` or `C` (RFC 8588 §4), as the caller's provider claims."""
        value = self.payload.get("attest")
        return value if value in ("A", "B", "C") else None


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """What the headers of one INVITE say."""

    asserted: tuple[Party, ...] = ()
    remote_party: tuple[Party, ...] = ()
    privacy: tuple[str, ...] = ()
    diversions: tuple[Party, ...] = ()
    history: tuple[Party, ...] = ()
    passports: tuple[Passport, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether the caller does not want to be shown."""
        return bool({"id", "user", "header"} & set(self.privacy))

    @property
    def number(self) -> str | None:
        """The number that the caller's provider vouches for."""
        users = (party.user for party in (*self.asserted, *self.remote_party))
        return next((user for user in users if user), None)

    def as_document(self) -> dict[str, Any]:
        """As JSON; what the INVITE does not say is left out."""
        document: dict[str, Any] = {
            "assertedIdentity": [party.as_document() for party in self.asserted],
            "remotePartyId": [party.as_document() for party in self.remote_party],
            "privacy": list(self.privacy),
            "diversion": [party.as_document() for party in self.diversions],
            "historyInfo": [party.as_document() for party in self.history],
            "stirShaken": [
                {
                    "attestation": one.attestation,
                    "originationId": one.payload.get("origid"),
                    "verified": False,
                    "header": one.header,
                    "payload": one.payload,
                    "parameters": dict(one.parameters),
                    "identity": one.token,
                }
                for one in self.passports
            ],
        }
        return {key: value for key, value in document.items() if value}


def caller_identity(headers: Iterable[tuple[str, str]]) -> CallerIdentity:
    """Read the headers of an INVITE. What cannot be read is left out: it proves nothing."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)

    def parties(name: str) -> tuple[Party, ...]:
        return tuple(_parties(values.get(name, ())))[:MAX_ENTRIES]

    words = ";".join(values.get("privacy", ())).replace(",", ";").lower().split(";")
    passports = (_passport(value) for value in values.get("identity", ())[:MAX_ENTRIES])
    return CallerIdentity(
        asserted=parties("p-asserted-identity"),
        remote_party=parties("remote-party-id"),
        privacy=tuple(dict.fromkeys(word.strip() for word in words if word.strip()))[:MAX_ENTRIES],
        diversions=parties("diversion"),
        history=parties("history-info"),
        passports=tuple(one for one in passports if one),
    )


def _parties(fields: Iterable[str]) -> Iterator[Party]:
    for field in fields:
        try:
            items = split_list(field)
        except SipParseError:
            continue
        for item in items:
            try:
                address = Address.parse(item)
            except SipParseError:
                continue
            yield Party(str(address.uri), address.display_name, address.parameters.items)


def _passport(value: str) -> Passport | None:
    if len(value) > MAX_PASSPORT:
        return None
    token, *rest = (part.strip() for part in value.split(";"))
    header, _, tail = token.partition(".")
    payload, _, _ = tail.partition(".")
    decoded = _json(header), _json(payload)
    if decoded[0] is None or decoded[1] is None:
        return None
    pairs = (part.partition("=") for part in rest)
    parameters = tuple((name.lower(), text.strip('"<>')) for name, _, text in pairs)
    return Passport(decoded[0], decoded[1], parameters, value)


def _json(part: str) -> dict[str, Any] | None:
    """One part of a JSON web token."""
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
