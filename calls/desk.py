"""The desk: takes calls in, places calls out, and knows every call that is alive.

Decides who gets a call and whether there is room for it; a `Call` does the rest.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..base.clock import iso
from ..base.errors import AywaError
from ..media import plane
from ..providers.catalog import ProviderCatalog, UnknownProvider
from ..sip import events as sip
from ..sip.identity import CallerIdentity, caller_identity
from ..sip.message import SipParseError, Uri
from ..store.artifacts import artifacts_of
from ..store.documents import Document, StoreError
from ..voice.conversation_events import ConversationEvent
from ..voice.settings import ConversationSettings
from . import state
from .admission import Admission
from .assistants import conversation_settings, merged
from .call import Call, House, Line
from .control import ControlCommand, Transfer
from .errors import AtCapacity, CallNotLive, CallRefused, CommandRefused, Leaving, UnknownCall
from .leg_events import LegEvent, LegReferred
from .originations import Originations, media_policy
from .sip_leg import Artifacts, Exchange, SipLeg
from .trunks.directory import TRUSTED_PARTY, Directory
from .trunks.gate import Denied, Gate
from .trunks.trunk import Trunk

log = logging.getLogger(__name__)

SHUTDOWN_S = 5.0
Inbox = asyncio.Queue[LegEvent | ConversationEvent]


@dataclass(frozen=True, slots=True)
class Switchboard:
    """Who may call in, and whom we may call."""

    directory: Directory
    gate: Gate
    originations: Originations
    admission: Admission
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
        switchboard: Switchboard,
        on_ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_ended` is told the endedReason of each call."""
        self._house = house
        self._exchange = exchange
        self._catalog = catalog
        self._data_dir = data_dir
        self._board = switchboard
        self._on_ended = on_ended
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused: Counter[int] = Counter()

    def live_count(self) -> int:
        """How many calls have not ended."""
        return len(self._tasks)

    def artifact_folder(self, call_id: str) -> Path:
        """Where the files of a call lie, whether or not there are any."""
        return artifacts_of(self._data_dir, call_id).folder

    def on_sip(self, event: sip.SipEvent) -> None:
        """Take one event of the SIP endpoint."""
        if not isinstance(event, sip.Invited):
            self._exchange.on_sip(event)
        elif event.replaces and (leg := self._exchange.dialogs.get(event.replaces)):
            leg.take_over(event)
        else:
            self._receive(event)

    async def place(self, org_id: str, request: Document) -> Document:
        """Begin an outbound call; gives its stored document. Raises CallRefused, AtCapacity."""
        if not self._board.voice_enabled:
            raise CallRefused("VOICE_PIPELINE_ENABLED is false: no assistant can talk.")
        if self._board.admission.leaving:
            raise Leaving()
        if full := self._board.admission.full():
            raise AtCapacity(f"{full[0].upper()}{full[1:]}. Try again later.")
        number = await self._phone_number(org_id, request)
        assistant = await self._assistant_for(org_id, request)
        try:
            providers = self._catalog.providers(assistant)
        except UnknownProvider as error:
            raise CallRefused(str(error)) from error
        document = self._document("outboundPhoneCall", "queued", org_id, request)
        customer = request.get("customer") or {}
        planned = await self._board.originations.plan(
            document["id"], number, called=customer.get("number"), uri=customer.get("sipUri")
        )
        try:
            if details := _details(planned.trunk):
                document["phoneCallProviderDetails"] = details
            await self._house.store.insert("call", document)
            leg, inbox, media = self._new_leg(document["id"], assistant)
            settings = _bounded(conversation_settings(assistant), planned.max_duration_s)
            leg.policy = planned.policy
            leg.party = planned.trunk.id if planned.trunk else TRUSTED_PARTY
            line = self._line(document["id"], number, planned.trunk)
            call = Call(
                self._house,
                document,
                leg,
                inbox,
                providers=providers,
                settings=settings,
                line=line,
            )
            self._attach(call, media)
        except BaseException:
            self._board.originations.release(document["id"])
            raise
        self._run(call.dial(planned.ways), call)
        return document

    async def control(self, org_id: str, call_id: str, command: ControlCommand) -> Document:
        """Steer a live call. Raises UnknownCall, CallNotLive, CommandRefused."""
        call = self._calls.get(call_id)
        if call and call.document["orgId"] == org_id:
            await call.control(command)
            return dict(call.document)
        if await self._house.store.get("call", org_id, call_id) is None:
            raise UnknownCall(f"There is no call {call_id}.")
        raise CallNotLive(f"The call {call_id} has ended.")

    async def drain(self, patience_s: float) -> None:
        """Take no more calls, and return when the live ones are over or patience is."""
        self._board.admission.leaving = True
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
        self._run(self._take(invited, call_id, leg, inbox, media), None)

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
            await leg.close()
            return
        finally:
            if call_id not in self._calls:
                self._board.gate.release(call_id)
        try:
            await call.answer(invited)
        finally:
            self._forget(call)

    async def _admit(
        self, invited: sip.Invited, call_id: str, leg: SipLeg, inbox: Inbox, media: "_MediaTap"
    ) -> Call:
        """Find who takes the call. Raises _Refusal."""
        if not self._board.voice_enabled:
            raise _Refusal(503, "the voice pipeline is switched off")
        called = self._board.directory.called(invited)
        if called is None:
            raise _Refusal(404, f"no phone number {_user(invited.request_uri)!r} here")
        number, trunk = called.number, called.trunk
        longest_s = self._room_on(trunk, call_id) if trunk else None
        try:
            assistant = await self._bound_assistant(number)
        except StoreError as error:
            log.error("the store cannot be read", extra={"why": error})
            raise _Refusal(503, "the store cannot be read") from error
        if assistant is None:
            raise _Refusal(480, f"the number {number.get('number')!r} has no assistant")
        try:
            providers = self._catalog.providers(assistant)
        except UnknownProvider as error:
            raise _Refusal(503, str(error)) from error
        identity = caller_identity(invited.headers)
        fields = {
            "assistantId": assistant["id"],
            "phoneNumberId": number["id"],
            "customer": _customer(invited, identity),
        }
        if details := _details(trunk, identity):
            fields["phoneCallProviderDetails"] = details
        document = self._document("inboundPhoneCall", "ringing", number["orgId"], fields, call_id)
        leg.keep(self._artifacts(call_id, assistant))
        leg.policy = media_policy(trunk.media if trunk else None)
        call = Call(
            self._house,
            document,
            leg,
            inbox,
            providers=providers,
            settings=_bounded(conversation_settings(assistant), longest_s),
            line=self._line(call_id, number, trunk),
        )
        self._attach(call, media)
        return call

    def _room_on(self, trunk: Trunk, call_id: str) -> int | None:
        """How long a call may last that comes by a trunk. Raises _Refusal when it is full."""
        verdict = self._board.gate.receive(call_id, trunk)
        if isinstance(verdict, Denied):
            raise _Refusal(503, verdict.sentence)
        return verdict.max_duration_s

    def _new_leg(self, call_id: str, assistant: Document) -> tuple[SipLeg, Inbox, "_MediaTap"]:
        media, inbox = _MediaTap(), Inbox()
        leg = SipLeg(self._exchange, call_id, on_event=inbox.put_nowait, on_media=media)
        leg.keep(self._artifacts(call_id, assistant))
        return leg, inbox, media

    def _attach(self, call: Call, media: "_MediaTap") -> None:
        media.sink = call.on_media
        self._calls[call.id] = call

    def _run(self, life: Coroutine[Any, Any, None], call: Call | None) -> None:
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
            self._board.gate.release(call.id)
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

    def _line(self, call_id: str, number: Document, trunk: Trunk | None) -> Line:
        """What a call must know of the trunk that carries it."""
        moves: set[asyncio.Task[None]] = set()

        def referred(leg: SipLeg, event: LegReferred) -> None:
            task = asyncio.get_running_loop().create_task(self._refer(call_id, number, leg, event))
            moves.add(task)
            task.add_done_callback(moves.discard)

        async def target(wanted: Transfer) -> str:
            if wanted.sip_uri is None and trunk is None:
                raise CommandRefused("A transfer to a number needs a call by a SIP trunk.")
            return await self._transfer_target(call_id, number, wanted)

        dtmf = trunk.media.dtmf if trunk else "rfc4733"
        return Line(dtmf, target, referred)

    async def _transfer_target(self, call_id: str, number: Document, wanted: Transfer) -> str:
        """Where the far end shall call; a far end pays itself, but it passes the same gate."""
        key = f"{call_id}/transfer"
        try:
            planned = await self._board.originations.plan(
                key, number, called=wanted.number, uri=wanted.sip_uri
            )
        except (CallRefused, AtCapacity) as error:
            raise CommandRefused(str(error)) from error
        self._board.originations.release(key)
        return planned.ways[0].target

    async def _refer(self, call_id: str, number: Document, leg: SipLeg, event: LegReferred) -> None:
        """The far end asks us to call somebody: by the same gate as every call of ours."""
        key = f"{call_id}/{event.referral}"
        try:
            planned = await self._board.originations.plan(key, number, uri=event.target)
        except (CallRefused, AtCapacity) as error:
            log.warning("transfer refused", extra={"call": call_id, "why": error})
            leg.stay(event.referral, 603)
            return
        self._board.originations.release(key)  # the call itself holds the place
        leg.move(event.referral, replace(planned.ways[0], replaces=event.replaces))


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


def _details(trunk: Trunk | None, identity: CallerIdentity | None = None) -> Document:
    """What the signalling tells of a call beyond the contract's own fields."""
    known = identity.as_document() if identity else {}
    if trunk:
        known["trunkId"] = trunk.id
    return {"sip": known} if known else {}


def _bounded(settings: ConversationSettings, longest_s: int | None) -> ConversationSettings:
    """The settings with a call that lasts no longer than a trunk permits."""
    ending = settings.ending
    if longest_s is None or ending.max_duration_s <= longest_s:
        return settings
    return replace(settings, ending=replace(ending, max_duration_s=float(longest_s)))


def _customer(invited: sip.Invited, identity: CallerIdentity) -> Document:
    user = identity.number or _user(invited.from_uri)
    digits = user.removeprefix("+")
    customer: Document = {"sipUri": invited.from_uri}
    if digits.isascii() and digits.isdigit() and len(digits) >= 3:
        customer["number"] = user
    if invited.from_name:
        customer["name"] = invited.from_name[:40]
    return customer
