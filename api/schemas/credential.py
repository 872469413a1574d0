"""The credential: how the runtime reaches a provider; so far a SIP trunk of the customer's own.

`sip` holds what this runtime offers beyond the contract: see docs/trunks.md.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import Count, Dialled, Name, Strict, listed, missing_field, within, wrong_field

_HOST = re.compile(
    r"(?=.{1,253}$)[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*"
)
_AUTHORITY = re.compile(r"(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PROXY = re.compile(rf"(?:sips?:)?{_AUTHORITY.pattern}(?:;[!-~]*)?", re.IGNORECASE)
_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
VARIABLES = frozenset({"number", "name", "account"})
_SHORT_PREFIX = re.compile(r"(?:\+?[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"\+?[0-9]{1,15}", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]*")

Word = Annotated[str, Field(min_length=1, max_length=255)]
Codec = Literal["pcmu", "pcma", "g722", "opus"]


class Gateway(Strict):
    """One address of the trunk's provider."""

    ip: Word
    port: Count | None = within(1, 65_535)
    netmask: Count | None = within(24, 128)
    inboundEnabled: bool | None = None
    outboundEnabled: bool | None = None
    outboundProtocol: Literal["udp", "tcp", "tls", "tls/srtp"] | None = None
    optionsPingEnabled: bool | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Gateway":
        if not _HOST.fullmatch(self.ip):
            raise wrong_field("ip", "must be an IP address or a host name")
        if self.netmask is not None and self.netmask > 32 and ":" not in self.ip:
            raise wrong_field("netmask", "must not be greater than 32 for an IPv4 address")
        return self


class SipRegisterPlan(Strict):
    """Where the runtime registers, so that the provider sends it the trunk's calls."""

    domain: Word | None = None
    username: Word | None = None
    realm: Word | None = None


class OutboundAuthenticationPlan(Strict):
    """The digest account that the provider gave."""

    authUsername: Word | None = None
    authPassword: Word | None = None
    sipRegisterPlan: SipRegisterPlan | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "OutboundAuthenticationPlan":
        if self.authPassword is not None and self.authUsername is None:
            raise missing_field("authUsername", "with authPassword")
        for name in ("authUsername", "authPassword"):
            if not _PRINTABLE.fullmatch(getattr(self, name) or ""):
                raise wrong_field(name, "must have printable ASCII characters only")
        return self


class InboundAuthenticationPlan(Strict):
    """The digest account that the provider must prove when it calls from an unknown address."""

    username: Word
    password: Word
    realm: Word | None = None


class CallerId(Strict):
    """How outgoing calls name their caller. `{{number}}`, `{{name}}`, `{{account}}` are filled."""

    fromUser: Word | None = None
    fromName: Word | None = None
    fromHost: Word | None = None
    assertedIdentity: Word | None = None
    contactUser: Word | None = None
    privacyEnabled: bool | None = None

    @model_validator(mode="after")
    def _names_what_is_known(self) -> "CallerId":
        for name in ("fromUser", "fromName", "assertedIdentity", "contactUser"):
            unknown = set(_VARIABLE.findall(getattr(self, name) or "")) - VARIABLES
            if unknown:
                shown = ", ".join(f"{{{{{one}}}}}" for one in sorted(VARIABLES))
                raise wrong_field(name, f"may contain {shown} only")
        if self.fromHost is not None and not _AUTHORITY.fullmatch(self.fromHost):
            raise wrong_field("fromHost", "must be a host name or address")
        return self


class Numbers(Strict):
    """How the provider writes numbers."""

    countryCode: Annotated[str, Field(min_length=1, max_length=6)] | None = None
    nationalPrefix: Annotated[str, Field(max_length=6)] | None = None
    internationalPrefix: Annotated[str, Field(min_length=1, max_length=6)] | None = None
    outboundFormat: Literal["e164", "national", "as-is"] | None = None

    @model_validator(mode="after")
    def _are_digits(self) -> "Numbers":
        for name in ("countryCode", "nationalPrefix", "internationalPrefix"):
            if not _SHORT_PREFIX.fullmatch(getattr(self, name) or ""):
                raise wrong_field(name, "must be up to 5 digits, after an optional plus")
        return self


class Destinations(Strict):
    """Whom the trunk may call: beginnings of E.164 numbers, with or without the plus."""

    allow: list[str] | None = listed(500)
    deny: list[str] | None = listed(500)

    @model_validator(mode="after")
    def _are_prefixes(self) -> "Destinations":
        for name in ("allow", "deny"):
            for index, prefix in enumerate(getattr(self, name) or ()):
                if not _PREFIX.fullmatch(prefix):
                    raise wrong_field(f"{name}.{index}", "must be 1 to 15 digits, such as 4930")
        return self


class TrunkLimits(Strict):
    """What protects the trunk's owner from a bill."""

    callsPerSecond: float | None = within(0.1, 1_000)
    concurrentCalls: Count | None = within(1, 100_000)
    callDurationSeconds: Count | None = within(10, 86_400)
    minutesPerDay: Count | None = within(1, 10_000_000)


class TrunkSip(Strict):
    """What a trunk can be told beyond the contract."""

    outboundProxy: Word | None = None
    inboundAuthenticationPlan: InboundAuthenticationPlan | None = None
    callerId: CallerId | None = None
    numbers: Numbers | None = None
    destinations: Destinations | None = None
    limits: TrunkLimits | None = None
    codecs: list[Codec] | None = listed(4)
    mediaEncryption: Literal["off", "optional", "required"] | None = None
    mediaKeying: Literal["sdes", "dtls"] | None = None
    ptimeMs: Literal[10, 20, 30, 40, 60] | None = None
    dtmf: Literal["rfc4733", "info", "inband"] | None = None
    comfortNoiseEnabled: bool | None = None
    sessionTimerSeconds: Count | None = within(90, 86_400)
    registerExpiresSeconds: Count | None = within(60, 86_400)

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "TrunkSip":
        if self.outboundProxy is not None and not _PROXY.fullmatch(self.outboundProxy):
            raise wrong_field("outboundProxy", "must be a host, host:port or SIP URI")
        return self


class Credential(Strict):
    """A SIP trunk of the customer's own (`byo-sip-trunk`)."""

    provider: Literal["byo-sip-trunk"]
    name: Name | None = None
    gateways: Annotated[list[Gateway], Field(min_length=1, max_length=32)]
    outboundAuthenticationPlan: OutboundAuthenticationPlan | None = None
    outboundLeadingPlusEnabled: bool | None = None
    techPrefix: Annotated[str, Field(max_length=20)] | None = None
    sipDiversionHeader: Word | None = None
    sip: TrunkSip | None = None

    @model_validator(mode="after")
    def _can_register(self) -> "Credential":
        plan = self.outboundAuthenticationPlan
        if plan and plan.sipRegisterPlan and plan.authUsername is None:
            raise missing_field("outboundAuthenticationPlan.authUsername", "with a sipRegisterPlan")
        return self


class TrunkTest(Strict):
    """What a test of a trunk shall call; nothing: the trunk's own account."""

    number: Dialled | None = None
