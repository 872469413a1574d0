"""Every call that we begin, whoever asked for it: judged by the gate, and planned for the wire.

Calls placed over REST, calls that a far end asked for by REFER, and tests of a trunk all come this
way. What is planned holds a place at the gate until `release`.
"""

import logging
from dataclasses import dataclass

from ..codecs.wideband import available, wideband_codec
from ..media.sdp import MediaPolicy
from ..sip.errors import SipError
from ..sip.leg import Invitation
from ..sip.message import Uri
from ..store.documents import Document
from .errors import AtCapacity, CallRefused
from .trunks.directory import Directory
from .trunks.gate import Allowed, Denied, Gate, Origination
from .trunks.outbound import TrunkDown, outbound_call
from .trunks.service import TrunkService
from .trunks.trunk import MediaChoices, Trunk, authority_host

log = logging.getLogger(__name__)

FOR_NOW = frozenset({"too-many-calls-per-second", "too-many-calls"})
"""Denials that a second or a hang-up may lift."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that may begin."""

    ways: tuple[Invitation, ...]
    """In the order in which they are tried; the offer is missing."""
    trunk: Trunk | None
    max_duration_s: int | None
    policy: MediaPolicy


class Originations:
    """Plans calls of ours."""

    def __init__(
        self, service: TrunkService, directory: Directory, gate: Gate, host: str, port: int
    ) -> None:
        """`host` and `port` are ours, as they stand in From where a trunk names nothing else."""
        self._service = service
        self._directory = directory
        self._gate = gate
        self._host = host
        self._port = port

    async def plan(
        self, call_id: str, number: Document, *, called: str | None = None, uri: str | None = None
    ) -> Planned:
        """Plan a call from a phone number to another number, or to a SIP URI.

        Raises CallRefused, or AtCapacity when it may be tried again soon.
        """
        trunk = self._directory.trunk_of(number)
        allowed = self._ask(Origination(call_id, trunk, called, uri))
        try:
            return await self._plan(number, trunk, allowed, uri)
        except BaseException:
            self.release(call_id)
            raise

    def release(self, call_id: str) -> None:
        """The call is over."""
        self._gate.release(call_id)

    def _ask(self, wanted: Origination) -> Allowed:
        verdict = self._gate.decide(wanted)
        if isinstance(verdict, Allowed):
            return verdict
        if wanted.trunk:
            self._service.note_denied(wanted.trunk.id, verdict, wanted.number or wanted.uri or "")
        self._refuse(verdict)
        raise CallRefused(verdict.sentence)

    def _refuse(self, denied: Denied) -> None:
        log.warning("call denied", extra={"code": denied.code, "why": denied.sentence})
        if denied.code in FOR_NOW:
            raise AtCapacity(denied.sentence, retry_after_s=1)

    async def _plan(
        self, number: Document, trunk: Trunk | None, allowed: Allowed, uri: str | None
    ) -> Planned:
        try:
            if trunk and (uri is None or _host(uri) in trunk.hosts()):
                ways, media = self._by_trunk(trunk, number, allowed.number, uri)
            else:
                media, ways = None, await self._straight(number, uri or "")
        except (TrunkDown, SipError) as error:
            raise CallRefused(str(error)) from error
        policy = media_policy(media)
        return Planned(ways, trunk, allowed.max_duration_s, policy)

    def _by_trunk(
        self, trunk: Trunk, number: Document, called: str | None, uri: str | None
    ) -> tuple[tuple[Invitation, ...], MediaChoices]:
        reach = self._service.reach(trunk)
        own = f"{authority_host(self._host)}:{self._port}"
        planned = outbound_call(trunk, number, reach, own, called=called, uri=uri)
        authenticator = self._service.authenticator(trunk)
        ways = tuple(
            Invitation(
                target=target,
                from_uri=planned.from_uri,
                body=b"",
                from_name=planned.from_name,
                to=planned.to_uri,
                headers=planned.headers,
                targets=hops,
                routes=planned.routes,
                authenticator=authenticator,
                contact_user=planned.contact_user,
                line=planned.line,
                session_expires_s=planned.session_expires_s,
            )
            for target, hops in planned.groups()
        )
        return ways, planned.media

    async def _straight(self, number: Document, uri: str) -> tuple[Invitation, ...]:
        """To a SIP URI that no trunk leads to."""
        hops = await self._service.resolve(uri)
        if denied := self._gate.refusal_of_hops(uri, hops):
            raise CallRefused(denied.sentence)
        user = number.get("number") or _user(number.get("sipUri") or "")
        caller = f"sip:{user}@{authority_host(self._host)}:{self._port}"
        return (Invitation(uri, caller, b"", number.get("name"), targets=hops),)


def media_policy(media: MediaChoices | None) -> MediaPolicy:
    """What the legs of a trunk may agree to; None: of a call by no trunk."""
    if media is None:
        return MediaPolicy(security="optional")
    carried = [codec for codec in media.codecs if available() or wideband_codec(codec) is None]
    plain = MediaPolicy()
    return MediaPolicy(
        codecs=tuple(carried) or plain.codecs,
        security=media.encryption,
        keying=media.keying,
        ptime_ms=media.ptime_ms,
        prefer_ours=True,
        comfort_noise=media.comfort_noise,
    )


def _host(uri: str) -> str:
    return Uri.parse(uri).host.strip("[]").lower()


def _user(uri: str) -> str:
    return uri.partition(":")[2].partition("@")[0]
