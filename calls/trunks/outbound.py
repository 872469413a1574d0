"""An outgoing call by a trunk: where it goes, as whom, and with what, decided before it is sent.

Order of the ways: gateways with `outboundEnabled` as listed, those that do not answer OPTIONS last;
without one of them what the registration's domain leads to. A Service-Route or outbound proxy goes
before all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from ...base.errors import AywaError
from ...sip.message import Address, Uri
from ...sip.transport import Hop
from ...store.documents import Document
from .numbering import NumberPlan, cleaned, normalised, written
from .trunk import Encryption, Gateway, MediaChoices, Trunk, authority_host, filled

ANONYMOUS_NAME, ANONYMOUS_URI = "Anonymous", "sip:anonymous@anonymous.invalid"  # RFC 3323 §4.1.1.3
NAME_CHARACTERS = 80
_USER_SAFE = "-_.!~*'()&=+$,/"  # RFC 3261 §25.1: unreserved and user-unreserved, less `;` and `?`
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class TrunkDown(AywaError):
    """A call cannot go out by a trunk now; the message says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """One target, and the Request-URI that is sent to it."""

    hop: Hop
    request_uri: str
    srtp: bool = False
    """The gateway takes encrypted media only."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How a trunk can be reached now, as the service knows it."""

    gateways: Mapping[int, Sequence[Hop]] = field(default_factory=dict)
    """The targets of each gateway, by its index."""
    front: Sequence[Hop] = ()
    """Those of the Service-Route, else of the outbound proxy, else of the registration's domain."""
    down: frozenset[Hop] = frozenset()
    """Targets that do not answer OPTIONS."""
    service_routes: tuple[str, ...] = ()
    held: str | None = None
    """Why the registrar refuses us; None: it does not."""
    line: str | None = None


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """Everything that an invitation needs but the offer."""

    trunk: Trunk
    ways: tuple[Way, ...]
    """In the order in which they are tried; at least one."""
    from_uri: str
    from_name: str | None
    to_uri: str
    headers: tuple[tuple[str, str], ...]
    routes: tuple[str, ...]
    contact_user: str | None
    line: str | None
    session_expires_s: int
    media: MediaChoices

    def groups(self) -> list[tuple[str, list[Hop]]]:
        """The ways as Request-URI and targets: one INVITE each, the next when one moves on."""
        found: list[tuple[str, list[Hop]]] = []
        for way in self.ways:
            if found and found[-1][0] == way.request_uri:
                found[-1][1].append(way.hop)
            else:
                found.append((way.request_uri, [way.hop]))
        return found


def outbound_call(
    trunk: Trunk,
    number: Document,
    reach: Reach,
    own_host: str,
    *,
    called: str | None = None,
    uri: str | None = None,
) -> OutboundCall:
    """Plan a call from the phone number `number` to `called`, or to a SIP URI at a gateway.

    `called` is the number that the gate allowed. `own_host` stands in From where the trunk names no
    host. Raises TrunkDown; SipParseError for a `uri` or a template that gives no URI.
    """
    if reach.held:
        raise TrunkDown(f"{trunk} is not registered: {reach.held}.")
    user = _called_user(trunk, called) if called is not None else None
    ways = _ways(trunk, reach, user, Uri.parse(uri) if uri else None)
    if not ways:
        raise TrunkDown(
            f"{trunk} has no gateway that a call could go to: enable outboundEnabled on one, and "
            "see in its status whether its host name leads anywhere."
        )
    media = trunk.media
    if ways[0].srtp:
        encryption: Encryption = "required"
        media = replace(media, encryption=encryption)
    caller = _caller(trunk, number, own_host)
    return OutboundCall(
        trunk=trunk,
        ways=tuple(ways),
        from_uri=caller.from_uri,
        from_name=caller.from_name,
        to_uri=str(replace(Uri.parse(ways[0].request_uri), parameters=Uri("sip").parameters)),
        headers=caller.headers,
        routes=_routes(trunk, reach),
        contact_user=caller.contact_user,
        line=reach.line if trunk.register else None,
        session_expires_s=trunk.session_s,
        media=media,
    )


# Where ------------------------------------------------------------------------------------------


def _called_user(trunk: Trunk, called: str) -> str:
    number = written(called, trunk.plan, trunk.number_format, trunk.leading_plus)
    return _escaped(trunk.tech_prefix + number)


def _ways(trunk: Trunk, reach: Reach, user: str | None, uri: Uri | None) -> list[Way]:
    pairs = _targets(trunk, reach)
    if uri is not None:
        host = uri.host.strip("[]").lower()
        pairs = [pair for pair in pairs if pair[0] and pair[0].host == host] or pairs
    # RFC 3263 §4.3 leaves the order to us: one that answers goes before one that does not.
    pairs.sort(key=lambda pair: pair[1] in reach.down)
    return [
        Way(hop, _request_uri(trunk, gateway, hop, user, uri), bool(gateway and gateway.srtp))
        for gateway, hop in pairs
    ]


def _targets(trunk: Trunk, reach: Reach) -> list[tuple[Gateway | None, Hop]]:
    outbound = [(i, g) for i, g in enumerate(trunk.gateways) if g.outbound]
    at_gateways = [(g, hop) for i, g in outbound for hop in reach.gateways.get(i, ())]
    if reach.front and (trunk.proxy or reach.service_routes or not at_gateways):
        first = next((gateway for _, gateway in outbound), None)
        return [(first, hop) for hop in reach.front]
    return list(at_gateways)


def _request_uri(
    trunk: Trunk, gateway: Gateway | None, hop: Hop, user: str | None, uri: Uri | None
) -> str:
    """A registered trunk is called at its domain, another at its gateway's own name."""
    if uri is not None:
        return str(replace(uri, headers=""))
    if trunk.register:
        base = Uri.parse(f"sip:{trunk.register.domain}")
    elif gateway is not None:
        base = gateway.uri
    else:
        base = Uri("sip", authority_host(hop.host), port=hop.port)
    base = replace(base, user=user)
    if hop.transport != "udp":
        base = replace(base, parameters=base.parameters.having("transport", hop.transport))
    return str(base)


def _routes(trunk: Trunk, reach: Reach) -> tuple[str, ...]:
    if reach.service_routes:
        return reach.service_routes
    if trunk.proxy:
        return (f"<{trunk.proxy}{'' if 'lr' in trunk.proxy.parameters else ';lr'}>",)
    return ()


# As whom ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Caller:
    from_uri: str
    from_name: str | None
    headers: tuple[tuple[str, str], ...]
    contact_user: str | None


def _caller(trunk: Trunk, number: Document, own_host: str) -> _Caller:
    wanted = trunk.caller_id
    host = wanted.from_host or (trunk.register.domain if trunk.register else "")
    host = host or authority_host(own_host)
    values = _variables(trunk, number)
    user = _escaped(filled(wanted.from_user, values))
    from_uri = f"sip:{user}@{host}" if user else f"sip:{host}"
    name = _shown(filled(wanted.from_name, values)) or None
    headers: list[tuple[str, str | None]] = []
    if wanted.privacy:
        # RFC 3325 §9.3: who the network shall not show it must still be told.
        template = wanted.asserted_identity or wanted.from_user
        headers.append(("P-Asserted-Identity", _identity(template, values, name, host)))
        headers.append(("Privacy", "id"))
        from_uri, name = ANONYMOUS_URI, ANONYMOUS_NAME
    elif wanted.asserted_identity:
        value = _identity(wanted.asserted_identity, values, name, host)
        headers.append(("P-Asserted-Identity", value))
    if trunk.diversion:
        headers.append(("Diversion", _diversion(trunk.diversion, values, host)))
    told = tuple((header, value) for header, value in headers if value)
    contact = _escaped(filled(wanted.contact_user, values))
    contact = contact or (trunk.contact_user if trunk.register else user)
    return _Caller(from_uri, name, told, contact or None)


def _variables(trunk: Trunk, number: Document) -> dict[str, str]:
    uri_user = cleaned((number.get("sipUri") or "").partition(":")[2].partition("@")[0])
    own = number.get("number") or uri_user
    plan: NumberPlan = trunk.plan
    return {
        "number": written(normalised(own, plan), plan, trunk.number_format, trunk.leading_plus),
        "name": number.get("name") or "",
        "account": trunk.account_name,
    }


def _identity(template: str, values: Mapping[str, str], name: str | None, host: str) -> str | None:
    """A P-Asserted-Identity value of a template: a whole value, a URI, or a user.

    What is filled in decides nothing: a name that looks like a URI is no URI.
    """
    text = _CONTROL.sub("", filled(template, values))
    if "<" in template or not text:
        return text or None
    if re.match(r"(?i)(?:sips?|tel):", template):
        return str(Address(Uri.parse(text), name))
    return str(Address(Uri.parse(f"sip:{_escaped(text)}@{host}"), name))


def _diversion(template: str, values: Mapping[str, str], host: str) -> str | None:
    """A Diversion value (RFC 5806 §4) of a template, in the same three forms."""
    value = _identity(template, values, None, host)
    return value if value is None or "<" in template else f"{value};reason=unconditional"


def _shown(name: str) -> str:
    return _CONTROL.sub("", name).strip()[:NAME_CHARACTERS]


def _escaped(user: str) -> str:
    """Text as the user part of a URI."""
    return quote(_CONTROL.sub("", user), safe=_USER_SAFE)
