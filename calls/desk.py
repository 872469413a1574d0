"""The desk: takes calls in, places calls out, and knows every call that is alive.

Decides who gets a call and whether there is room for it; a `Call` does the rest.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.clock import iso
from ..base.errors import AywaError
from ..media import plane
from ..providers.catalog import ProviderCatalog, Providers, UnknownProvider
from ..sip import events as sip
from ..sip.leg import Invitation
from ..sip.message import SipParseError, Uri
from ..store.artifacts import artifacts_of
from ..store.documents import Document, StoreError
from ..voice.conversation_events import ConversationEvent
from . import state
from .assistants import conversation_settings, merged
from .call import Call, House, Line
from .control import ControlCommand, Transfer
from .errors import AtCapacity, CallNotLive, CallRefused, CommandRefused, Leaving, UnknownCall
from .sip_leg import Artifacts, Exchange, LegEvent, LegReferred, SipLeg

log = logging.getLogger(__name__)

SHUTDOWN_S = 5.0
Inbox = asyncio.Queue[LegEvent | ConversationEvent]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the desk permits."""

    max_calls: int
    voice_enabled: bool = True


class _Refusal(AywaError):
    """An inbound call that is not taken, with the SIP status that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Desk:
    """Every live call of this process, by id and by SIP dialog."""

    def __init__(
        self,
        house: House,
        exchange: Exchange,
        catalog: ProviderCatalog,
        data_dir: Path,
        limits: Limits,
        on_ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_ended` is told the endedReason of each call."""
        self._house = house
        self._exchange = exchange
        self._catalog = catalog
        self._data_dir = data_dir
        self._limits = limits
        self._on_ended = on_ended
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.leaving = False
        """No new call is taken or placed."""
        self.refused: Counter[int] = Counter()

    def live_count(self) -> int:
        """How many calls have not ended."""
        return len(self._tasks)

    def artifact_folder(self, call_id: str) -> Path:
        """Where the files of a call lie, whether or not there are any."""
        return artifacts_of(self._data_dir, call_id).folder

    def on_sip(self, event: sip.SipEvent) -> None:
        """Take one event of the SIP endpoint."""
        if isinstance(event, sip.Invited):
            self._receive(event)
        else:
            self._exchange.on_sip(event)

    async def place(self, org_id: str, request: Document) -> Document:
        """Begin an outbound call; gives its stored document. Raises CallRefused, AtCapacity."""
        if not self._limits.voice_enabled:
            raise CallRefused("VOICE_PIPELINE_ENABLED is false: no assistant can talk.")
        if self.leaving:
            raise Leaving()
        if self.live_count() >= self._limits.max_calls:
            raise AtCapacity(self._limits.max_calls)
        number = await self._phone_number(org_id, request)
        assistant = await self._assistant_for(org_id, request)
        try:
            providers = self._catalog.providers(assistant)
        except UnknownProvider as error:
            raise CallRefused(str(error)) from error
        ways = self._ways(number, request.get("customer") or {})
        document = self._document("outboundPhoneCall", "queued", org_id, request)
        await self._house.store.insert("call", document)
        leg, inbox, media = self._new_leg(document["id"], assistant)
        call = self._new_call(document, leg, inbox, providers, assistant, media)
        self._run(leg, call.dial(ways), call)
        return document

    async def control(self, org_id: str, call_id: str, command: ControlCommand) -> Document:
        """Steer a live call. Raises UnknownCall, CallNotLive, CommandRefused."""
        call = self._calls.get(call_id)
        if call and call.document["orgId"] == org_id:
            call.control(command)
            return dict(call.document)
        if await self._house.store.get("call", org_id, call_id) is None:
            raise UnknownCall(f"There is no call {call_id}.")
        raise CallNotLive(f"The call {call_id} has ended.")

    async def drain(self, patience_s: float) -> None:
        """Take no more calls, and return when the live ones are over or patience is."""
        self.leaving = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)

    async def close(self) -> None:
        """End every call, as a shutdown does, and wait for their documents."""
        for call in list(self._calls.values()):
            call.end(state.WORKER_SHUTDOWN, "The runtime was stopped during the call.")
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
            for task in hanging:
                task.cancel()

    def _receive(self, invited: sip.Invited) -> None:
        call_id = self._exchange.entropy.uuid()
        media = _MediaTap()
        inbox: Inbox = asyncio.Queue()
        # The leg exists from the first moment, so that a CANCEL finds it.
        leg = SipLeg(self._exchange, call_id, on_event=inbox.put_nowait, on_media=media)
        leg.belongs_to(invited)
        self._run(leg, self._take(invited, call_id, leg, inbox, media), None)

    async def _take(
        self, invited: sip.Invited, call_id: str, leg: SipLeg, inbox: Inbox, media: "_MediaTap"
    ) -> None:
        try:
            call = await self._admit(invited, call_id, leg, inbox, media)
        except _Refusal as refusal:
            self.refused[refusal.status] += 1
            log.warning(
                "call refused",
                extra={"status": refusal.status, "why": refusal, "source": invited.source[0]},
            )
            leg.refuse(refusal.status, str(refusal))
            return
        try:
            await call.answer(invited)
        finally:
            self._forget(call)

    async def _admit(
        self, invited: sip.Invited, call_id: str, leg: SipLeg, inbox: Inbox, media: "_MediaTap"
    ) -> Call:
        """Find who takes the call. Raises _Refusal."""
        if self.live_count() > self._limits.max_calls:
            raise _Refusal(503, f"all {self._limits.max_calls} permitted calls are in use")
        if self.leaving:
            raise _Refusal(503, "going out of service")
        if not self._limits.voice_enabled:
            raise _Refusal(503, "the voice pipeline is switched off")
        user = _user(invited.request_uri)
        try:
            number = await self._house.store.phone_number_for(user)
            assistant = await self._bound_assistant(number) if number else None
        except StoreError as error:
            log.error("the store cannot be read", extra={"why": error})
            raise _Refusal(503, "the store cannot be read") from error
        if number is None:
            raise _Refusal(404, f"no phone number {user!r} here")
        if assistant is None:
            raise _Refusal(480, f"the number {user!r} has no assistant")
        try:
            providers = self._catalog.providers(assistant)
        except UnknownProvider as error:
            raise _Refusal(503, str(error)) from error
        fields = {
            "assistantId": assistant["id"],
            "phoneNumberId": number["id"],
            "customer": _customer(invited),
        }
        document = self._document("inboundPhoneCall", "ringing", number["orgId"], fields, call_id)
        leg.keep(self._artifacts(call_id, assistant))
        return self._new_call(document, leg, inbox, providers, assistant, media)

    def _new_leg(self, call_id: str, assistant: Document) -> tuple[SipLeg, Inbox, "_MediaTap"]:
        media, inbox = _MediaTap(), Inbox()
        leg = SipLeg(self._exchange, call_id, on_event=inbox.put_nowait, on_media=media)
        leg.keep(self._artifacts(call_id, assistant))
        return leg, inbox, media

    def _new_call(
        self,
        document: Document,
        leg: SipLeg,
        inbox: Inbox,
        providers: Providers,
        assistant: Document,
        media: "_MediaTap",
    ) -> Call:
        settings = conversation_settings(assistant)
        call = Call(
            self._house,
            document,
            leg,
            inbox,
            providers=providers,
            settings=settings,
            line=self._line(),
        )
        media.sink = call.on_media
        self._calls[call.id] = call
        return call

    def _run(self, leg: SipLeg, life: Coroutine[Any, Any, None], call: Call | None) -> None:
        task = asyncio.get_running_loop().create_task(life)
        self._tasks.add(task)

        def over(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if call:
                self._forget(call)
            if not done.cancelled() and (error := done.exception()):
                log.error("a call's task failed", exc_info=error)

        task.add_done_callback(over)

    def _forget(self, call: Call) -> None:
        if self._calls.pop(call.id, None):
            self._on_ended(call.document.get("endedReason", "unknown"))

    def _document(
        self,
        kind: str,
        status: state.CallStatus,
        org_id: str,
        fields: Mapping[str, Any],
        call_id: str | None = None,
    ) -> Document:
        now = iso(self._house.clock.wall())
        return {
            "id": call_id or self._exchange.entropy.uuid(),
            "orgId": org_id,
            "createdAt": now,
            "updatedAt": now,
            "type": kind,
            "status": status,
            "phoneCallTransport": "sip",
            **fields,
        }

    def _artifacts(self, call_id: str, assistant: Document) -> Artifacts:
        plan = assistant.get("artifactPlan") or {}
        folder = self.artifact_folder(call_id)
        folder.mkdir(parents=True, exist_ok=True)
        record = plan.get("recordingEnabled")
        capture = plan.get("pcapEnabled")
        return Artifacts(str(folder), record is not False, capture is not False)

    async def _bound_assistant(self, number: Document) -> Document | None:
        assistant_id = number.get("assistantId")
        if not assistant_id:
            return None
        return await self._house.store.get("assistant", number["orgId"], assistant_id)

    async def _phone_number(self, org_id: str, request: Document) -> Document:
        number_id = request["phoneNumberId"]
        number = await self._house.store.get("phone_number", org_id, number_id)
        if number is None:
            raise CallRefused(f"There is no phone number {number_id}.")
        return number

    async def _assistant_for(self, org_id: str, request: Document) -> Document:
        assistant: Document | None = request.get("assistant")
        if assistant is None:
            assistant_id = request["assistantId"]
            assistant = await self._house.store.get("assistant", org_id, assistant_id)
            if assistant is None:
                raise CallRefused(f"There is no assistant {assistant_id}.")
        return merged(assistant, request.get("assistantOverrides") or {})

    def _ways(self, number: Document, customer: Document) -> list[Invitation]:
        target = customer.get("sipUri")
        if not target:
            raise CallRefused(
                "customer.number needs a SIP trunk, which this version does not offer; "
                "give customer.sipUri, such as sip:alice@192.0.2.1."
            )
        try:
            Uri.parse(target)
        except SipParseError as error:
            raise CallRefused(f"customer.sipUri is not a SIP URI: {error}") from error
        user = number.get("number") or _user(number.get("sipUri") or "")
        endpoint = self._exchange.endpoint
        host = self._exchange.signalled_host
        authority = f"[{host}]" if ":" in host else host
        caller = f"sip:{user}@{authority}:{endpoint.port}"
        return [Invitation(target, caller, b"", number.get("name"))]

    def _line(self) -> Line:
        return Line("rfc4733", self._transfer_target, self._refuse_referral)

    def _transfer_target(self, wanted: Transfer) -> str:
        if wanted.sip_uri is None:
            raise CommandRefused("A transfer to a number needs a SIP trunk.")
        return wanted.sip_uri

    def _refuse_referral(self, leg: SipLeg, event: LegReferred) -> None:
        leg.stay(event.referral, 603)


class _MediaTap:
    """Passes a stream's events to the call, once there is one."""

    def __init__(self) -> None:
        self.sink: Callable[[plane.Event], None] | None = None

    def __call__(self, event: plane.Event) -> None:
        if self.sink:
            self.sink(event)


def _user(uri: str) -> str:
    try:
        return Uri.parse(uri).user or ""
    except SipParseError:
        return ""


def _customer(invited: sip.Invited) -> Document:
    user = _user(invited.from_uri)
    digits = user.removeprefix("+")
    customer: Document = {"sipUri": invited.from_uri}
    if digits.isascii() and digits.isdigit() and len(digits) >= 3:
        customer["number"] = user
    if invited.from_name:
        customer["name"] = invited.from_name[:40]
    return customer
