"""A SIP trunk as a value, read from a stored `credential` document.

What the document may hold is judged by the API; here it is judged again, because documents outlive
versions. Absent and null are the same.

    field                                    default       meaning
    gateways[].ip, port                      –, by DNS     address or host name; no port: SRV, 5060
    gateways[].netmask                       32, 128       inbound from the whole network
    gateways[].inboundEnabled, …Outbound…    true          which way calls may go
    gateways[].outboundProtocol              udp           absent with a name: DNS decides (NAPTR)
    gateways[].optionsPingEnabled            false         ask with OPTIONS whether it is there
    outboundAuthenticationPlan               none          digest account; with sipRegisterPlan
                                                           the runtime registers
    sipRegisterPlan.domain, username, realm  first gateway, authUsername, any
    outboundLeadingPlusEnabled, techPrefix   false, none   how called numbers are written
    sipDiversionHeader                       none          number, URI or whole header value
    sip.outboundProxy                        none          host, host:port or SIP URI
    sip.inboundAuthenticationPlan            none          digest account of the provider
    sip.callerId.fromUser                    {{number}}    also assertedIdentity, contactUser, …
    sip.numbers.*                            no country, 0, 00, e164
    sip.destinations.allow, deny             none, none    beginnings of E.164 numbers
    sip.limits.callsPerSecond                10            others: no limit but the runtime's
    sip.codecs                               pcma, pcmu    in order of preference
    sip.mediaEncryption                      optional      a `tls/srtp` gateway: required
    sip.mediaKeying                          sdes          how our offers secure: sdes or dtls
    sip.ptimeMs, dtmf, sessionTimerSeconds   20, rfc4733, 1800
    sip.registerExpiresSeconds               3600
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal, cast

from ...base.errors import AywaError
from ...sip.digest import Credentials
from ...sip.errors import SipParseError
from ...sip.message import Uri
from ...sip.transport import DEFAULT_PORT, TLS_PORT, Transport
from ...store.documents import Document
from .numbering import NORTH_AMERICA, NumberFormat, NumberPlan

PROVIDER = "byo-sip-trunk"

Network = IPv4Network | IPv6Network
Codec = Literal["pcmu", "pcma", "g722", "opus"]
Encryption = Literal["off", "optional", "required"]
Keying = Literal["sdes", "dtls"]
Dtmf = Literal["rfc4733", "info", "inband"]

CODECS: tuple[Codec, ...] = ("pcma", "pcmu")
MAX_GATEWAYS = 32
CALLS_PER_SECOND = 10.0
"""Of a trunk that sets nothing: carriers bar a caller that comes much faster."""
SESSION_S, REGISTER_S = 1800, 3600
LINE_OCTETS = 16

_PROTOCOLS: dict[str, tuple[Transport, bool]] = {
    "udp": ("udp", False),
    "tcp": ("tcp", False),
    "tls": ("tls", False),
    "tls/srtp": ("tls", True),
}
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
VARIABLES = frozenset({"number", "name", "account"})


class TrunkError(AywaError):
    """A stored trunk cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One address of a trunk's provider."""

    host: str
    """An address, IPv6 without brackets, or a host name."""
    port: int | None
    network: Network | None
    """Where its requests come from; None for a host name, whose addresses DNS tells."""
    transport: Transport | None
    """None: DNS decides, else UDP."""
    srtp: bool = False
    inbound: bool = True
    outbound: bool = True
    ping: bool = False

    @property
    def uri(self) -> Uri:
        """The gateway itself, as a URI: what is resolved and asked with OPTIONS."""
        return Uri("sip", authority_host(self.host), port=self.port)

    @property
    def default_port(self) -> int:
        """The port it listens on if none is told."""
        return self.port or (TLS_PORT if self.transport == "tls" else DEFAULT_PORT)


@dataclass(frozen=True, slots=True)
class RegisterPlan:
    """Where and as whom to register."""

    domain: str
    username: str
    """User part of the address of record."""
    expires_s: int = REGISTER_S


@dataclass(frozen=True, slots=True)
class InboundAccount:
    """What a provider proves by digest when it calls from an unknown address."""

    username: str
    password: str = field(repr=False)
    realm: str | None = None


@dataclass(frozen=True, slots=True)
class CallerId:
    """Templates of what an outgoing call says of its caller."""

    from_user: str = "{{number}}"
    from_name: str = ""
    from_host: str = ""
    asserted_identity: str = ""
    contact_user: str = ""
    privacy: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What protects the trunk's owner from a bill. None: no limit of the trunk's own."""

    calls_per_second: float = CALLS_PER_SECOND
    concurrent_calls: int | None = None
    call_duration_s: int | None = None
    minutes_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class MediaChoices:
    """What the trunk's calls sound like on the wire."""

    codecs: tuple[Codec, ...] = CODECS
    encryption: Encryption = "optional"
    keying: Keying = "sdes"
    ptime_ms: int = 20
    dtmf: Dtmf = "rfc4733"
    comfort_noise: bool = False


@dataclass(frozen=True, slots=True)
class Trunk:
    """A trunk."""

    id: str
    org_id: str
    name: str
    created_at: str
    gateways: tuple[Gateway, ...]
    account: Credentials | None = None
    """What we prove to the provider."""
    register: RegisterPlan | None = None
    proxy: Uri | None = None
    inbound_account: InboundAccount | None = None
    caller_id: CallerId = CallerId()
    plan: NumberPlan = field(default_factory=NumberPlan)
    number_format: NumberFormat = "e164"
    leading_plus: bool = False
    tech_prefix: str = ""
    diversion: str = ""
    allowed: tuple[str, ...] = ()
    """Beginnings of numbers, digits only."""
    denied: tuple[str, ...] = ()
    limits: Limits = Limits()
    media: MediaChoices = MediaChoices()
    session_s: int = SESSION_S

    def __str__(self) -> str:
        return f"trunk {self.name!r} ({self.id})" if self.name else f"trunk {self.id}"

    @property
    def account_name(self) -> str:
        """`{{account}}`: the user that the provider knows us as."""
        if self.register:
            return self.register.username
        return self.account.username if self.account else ""

    @property
    def contact_user(self) -> str:
        """The user part of our Contact in registrations, which the provider calls."""
        return self.account_name or "trunk"

    def hosts(self) -> frozenset[str]:
        """Every host that stands for the trunk's provider, in lower case."""
        names = {gateway.host for gateway in self.gateways}
        names |= {self.register.domain} if self.register else set()
        names |= {self.proxy.host} if self.proxy else set()
        return frozenset(name.strip("[]").lower() for name in names)


def line_token(secret: bytes, trunk_id: str) -> str:
    """The opaque word in our Contact by which a request is known to be the trunk's.

    Nobody can guess it, and it is the same after a restart.
    """
    return hmac.digest(secret, trunk_id.encode(), "sha256")[:LINE_OCTETS].hex()


def authority_host(host: str) -> str:
    """A host as it stands in a URI."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def filled(template: str, variables: Mapping[str, str]) -> str:
    """A template with its `{{variables}}` put in."""
    return _VARIABLE.sub(lambda match: variables.get(match[1], ""), template)


def read_trunk(document: Document) -> Trunk:
    """Read a credential whose provider is `byo-sip-trunk`. Raises TrunkError."""
    try:
        return _read(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TrunkError(f"the stored trunk cannot be read: {error!r}; store it again") from error


def _read(document: Document) -> Trunk:
    sip: Document = document.get("sip") or {}
    plan: Document = document.get("outboundAuthenticationPlan") or {}
    gateways = tuple(_gateway(one) for one in document["gateways"][:MAX_GATEWAYS])
    if not gateways:
        raise TrunkError("gateways: a trunk needs at least one gateway")
    register = plan.get("sipRegisterPlan")
    destinations: Document = sip.get("destinations") or {}
    numbers: Document = sip.get("numbers") or {}
    inbound = sip.get("inboundAuthenticationPlan")
    proxy = sip.get("outboundProxy")
    return Trunk(
        id=document["id"],
        org_id=document["orgId"],
        name=document.get("name") or "",
        created_at=document.get("createdAt") or "",
        gateways=gateways,
        account=_account(plan),
        register=None if register is None else _register(register, plan, gateways, sip),
        proxy=_proxy(proxy) if proxy else None,
        inbound_account=_inbound(inbound) if inbound else None,
        caller_id=_caller_id(sip.get("callerId") or {}),
        plan=_number_plan(numbers),
        number_format=cast(NumberFormat, numbers.get("outboundFormat") or "e164"),
        leading_plus=bool(document.get("outboundLeadingPlusEnabled")),
        tech_prefix=document.get("techPrefix") or "",
        diversion=document.get("sipDiversionHeader") or "",
        allowed=_prefixes(destinations.get("allow")),
        denied=_prefixes(destinations.get("deny")),
        limits=_limits(sip.get("limits") or {}),
        media=_media(sip),
        session_s=int(sip.get("sessionTimerSeconds") or SESSION_S),
    )


def _gateway(document: Document) -> Gateway:
    host = str(document["ip"]).strip("[]")
    port = document.get("port")
    named = document.get("outboundProtocol")
    is_address = _is_address(host)
    if named is None:
        transport, srtp = ("udp" if is_address else None), False
    else:
        transport, srtp = _PROTOCOLS[named]
    netmask = document.get("netmask")
    network = None
    if is_address:
        bits = ip_address(host).max_prefixlen if netmask is None else int(netmask)
        network = ip_network(f"{host}/{bits}", strict=False)
    return Gateway(
        host=host if is_address else host.rstrip(".").lower(),
        port=None if port is None else int(port),
        network=network,
        transport=cast("Transport | None", transport),
        srtp=srtp,
        inbound=document.get("inboundEnabled") is not False,
        outbound=document.get("outboundEnabled") is not False,
        ping=document.get("optionsPingEnabled") is True,
    )


def _account(plan: Document) -> Credentials | None:
    username = plan.get("authUsername")
    if not username:
        return None
    realm = (plan.get("sipRegisterPlan") or {}).get("realm")
    return Credentials(username, plan.get("authPassword") or "", realm)


def _register(
    document: Document, plan: Document, gateways: tuple[Gateway, ...], sip: Document
) -> RegisterPlan:
    username = document.get("username") or plan.get("authUsername")
    if not username:
        raise TrunkError("outboundAuthenticationPlan.authUsername: needed to register")
    domain = document.get("domain") or authority_host(gateways[0].host)
    _sip_uri(f"sip:{domain}", "sipRegisterPlan.domain")
    expires_s = int(sip.get("registerExpiresSeconds") or REGISTER_S)
    return RegisterPlan(domain, username, expires_s)


def _proxy(text: str) -> Uri:
    named = text.lower().startswith(("sip:", "sips:"))
    return _sip_uri(text if named else f"sip:{text}", "sip.outboundProxy")


def _sip_uri(text: str, name: str) -> Uri:
    try:
        uri = Uri.parse(text)
    except SipParseError as error:
        raise TrunkError(f"{name}: {error}") from error
    if not uri.is_sip:
        raise TrunkError(f"{name}: {text!r} is not a host or SIP URI")
    return uri


def _inbound(document: Document) -> InboundAccount:
    return InboundAccount(document["username"], document["password"], document.get("realm"))


def _caller_id(document: Document) -> CallerId:
    for name, template in document.items():
        unknown = set(_VARIABLE.findall(str(template))) - VARIABLES
        if unknown:
            raise TrunkError(
                f"sip.callerId.{name}: there is no {{{{{unknown.pop()}}}}}; "
                "number, name and account are known"
            )
    if host := document.get("fromHost"):
        _sip_uri(f"sip:{host}", "sip.callerId.fromHost")
    return CallerId(
        from_user=document.get("fromUser") or "{{number}}",
        from_name=document.get("fromName") or "",
        from_host=document.get("fromHost") or "",
        asserted_identity=document.get("assertedIdentity") or "",
        contact_user=document.get("contactUser") or "",
        privacy=document.get("privacyEnabled") is True,
    )


def _number_plan(document: Document) -> NumberPlan:
    country = (document.get("countryCode") or "").removeprefix("+")
    national, abroad = document.get("nationalPrefix"), document.get("internationalPrefix")
    usual = NORTH_AMERICA if country == "1" else NumberPlan()
    plan = NumberPlan(
        country_code=country,
        national_prefix=usual.national_prefix if national is None else national,
        international_prefix=abroad or usual.international_prefix,
    )
    for name, text in (
        ("countryCode", plan.country_code),
        ("nationalPrefix", plan.national_prefix),
        ("internationalPrefix", plan.international_prefix),
    ):
        if text and not re.fullmatch(r"[0-9]{1,5}", text):
            raise TrunkError(f"sip.numbers.{name}: {text!r} is not digits, such as 49")
    return plan


def _prefixes(listed: list[str] | None) -> tuple[str, ...]:
    return tuple(prefix.removeprefix("+") for prefix in listed or ())


def _limits(document: Document) -> Limits:
    def count(name: str) -> int | None:
        value = document.get(name)
        return None if value is None else int(value)

    return Limits(
        calls_per_second=float(document.get("callsPerSecond") or CALLS_PER_SECOND),
        concurrent_calls=count("concurrentCalls"),
        call_duration_s=count("callDurationSeconds"),
        minutes_per_day=count("minutesPerDay"),
    )


def _media(sip: Document) -> MediaChoices:
    return MediaChoices(
        codecs=tuple(dict.fromkeys(sip.get("codecs") or CODECS)),
        encryption=cast(Encryption, sip.get("mediaEncryption") or "optional"),
        keying=cast(Keying, sip.get("mediaKeying") or "sdes"),
        ptime_ms=int(sip.get("ptimeMs") or 20),
        dtmf=cast(Dtmf, sip.get("dtmf") or "rfc4733"),
        comfort_noise=sip.get("comfortNoiseEnabled") is True,
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
