"""One call, from its first message to its last: the leg, the conversation, the document.

Everything that happens comes through one inbox and is taken in order, so the document has one
writer. Audio does not come this way: the leg hands it to the conversation at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..base.clock import Clock, iso
from ..media import plane
from ..providers.catalog import Providers
from ..sip import events as sip
from ..sip.leg import Invitation
from ..store.artifacts import CallArtifacts
from ..store.documents import Document, Store
from ..voice import conversation_events as said
from ..voice.latency import TurnLatency
from ..voice.session import Conversation
from ..voice.settings import ConversationSettings
from . import endings, state
from .control import AddMessage, ControlCommand, EndCall, Say, SendDigits, Transfer
from .errors import CallNotLive, CommandRefused
from .leg_events import (
    LegBroken,
    LegCancelled,
    LegDigit,
    LegDirection,
    LegEnded,
    LegEvent,
    LegMessage,
    LegMoved,
    LegReferred,
    LegRefused,
    LegRinging,
    LegTransfer,
    LegUp,
)
from .repairs import mended
from .report import Report, latency_document
from .sip_leg import LegFailed, SipLeg
from .timeline import Source, Timeline

log = logging.getLogger(__name__)

GOODBYE_S = 0.5  # how long the answer to our BYE may take to reach the capture
LegOver = LegRefused | LegCancelled | LegEnded | LegBroken


@dataclass(frozen=True, slots=True)
class House:
    """What every call writes to."""

    store: Store
    timeline: Timeline
    clock: Clock
    api_url: str


@dataclass(frozen=True, slots=True)
class Line:
    """What a call must know of the trunk that carries it."""

    dtmf: Literal["rfc4733", "info", "inband"]
    transfer_target: Callable[[Transfer], Awaitable[str]]
    """The SIP URI that a transfer means. Raises CommandRefused when nobody may be called there."""
    on_referred: Callable[[SipLeg, LegReferred], None]
    """The far end asks us to call somebody: let the leg `move`, or `stay`."""


class Call:
    """A live call. `run` sets it up, lives it and winds it up."""

    def __init__(
        self,
        house: House,
        document: Document,
        leg: SipLeg,
        inbox: "asyncio.Queue[LegEvent | said.ConversationEvent]",
        *,
        providers: Providers,
        settings: ConversationSettings,
        line: Line,
    ) -> None:
        self._line = line
        self._house = house
        self.document = document
        self._leg = leg
        self._inbox = inbox
        self._providers = providers
        self._settings = settings
        self._key: tuple[str, str] = (document["orgId"], document["id"])
        clock = house.clock
        self._report = Report(wall_offset=clock.wall() - clock.monotonic())
        self._conversation: Conversation | None = None
        self._talk: asyncio.Task[None] | None = None
        self._dialed = False
        self._media_lost = False
        self._ended_reason: str | None = None
        self._ended_message: str | None = None

    @property
    def id(self) -> str:
        """The call's id."""
        return self._key[1]

    async def answer(self, invited: sip.Invited) -> None:
        """Live an inbound call to its end."""
        await self._house.store.insert("call", self.document)
        self._note_status()
        headers = (("X-Call-Id", self.id),)
        await self._live(self._leg.accept(invited, headers))

    async def dial(self, ways: Sequence[Invitation]) -> None:
        """Live an outbound call, whose document is stored already, to its end."""
        self._dialed = True
        self._note_status()
        await self._live(self._leg.dial(ways))

    def on_media(self, event: plane.Event) -> None:
        """Take one event of the leg's stream."""
        match event:
            case plane.MediaSilent(final=True):
                self._note_media(event)
                silent = endings.failed("no-media", f"{event.seconds:.0f} s", dialed=self._dialed)
                self.end(silent.reason, silent.sentence)
                return
            case plane.KeysFailed():
                self._note_media(event)
                insecure = endings.failed("dtls", event.reason, dialed=self._dialed)
                self.end(insecure.reason, insecure.sentence)
                return
            case plane.StreamLost():
                self._media_lost = True
                self._note_media(event)
                lost = endings.failed("media-lost", event.reason, dialed=self._dialed)
                self.end(lost.reason, lost.sentence)
                return
            case plane.StrangerHeard():
                log.warning("stranger's RTP", extra={"call": self.id, "address": event.address})
                self._note_media(event)
                return
            case (
                plane.PeerLocked() | plane.MediaSilent() | plane.ArtifactFailed() | plane.Secured()
            ):
                self._note_media(event)
                return
            case plane.Digit():
                self._note_media(event)
        if self._conversation:
            self._conversation.on_media(event)

    async def control(self, command: ControlCommand) -> None:
        """Carry out a command. Raises CallNotLive when nobody is talking, CommandRefused."""
        if isinstance(command, EndCall):
            self.end(state.MANUALLY_CANCELED)
            return
        if self._conversation is None or self._ended_reason:
            raise CallNotLive("The call is not in progress: nothing can be said in it.")
        self._note("log", "control", {"command": type(command).__name__})
        match command:
            case SendDigits():
                self._press(command)
            case Transfer():
                await self._transfer(command)
            case Say():
                self._conversation.say(
                    command.content,
                    end_call_after=command.end_call_after_spoken,
                    interrupt=command.interrupt_assistant_enabled,
                    interruptible=command.interruptions_enabled,
                )
            case AddMessage():
                self._conversation.add_message(
                    command.role,
                    command.content,
                    trigger_response=command.trigger_response_enabled,
                )

    def _press(self, command: SendDigits) -> None:
        method = command.method or self._line.dtmf
        if method == "info":
            self._leg.press(command.digits)
            return
        try:
            self._leg.stream.send_digits(command.digits, in_band=method == "inband")
        except ValueError as error:
            raise CommandRefused(str(error)) from error

    async def _transfer(self, command: Transfer) -> None:
        """Raises CommandRefused."""
        try:
            self._leg.refer(await self._line.transfer_target(command))
        except LegFailed as failure:
            raise CommandRefused(str(failure)) from failure

    def end(self, reason: str, message: str | None = None) -> None:
        """End the call for `reason`, unless it has ended for another already."""
        self._settle(reason, message)
        self._leg.hang_up(self._dialed)
        self._inbox.put_nowait(LegEnded("ours"))

    async def _live(self, set_up: Any) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await set_up
                    await self._follow(tasks)
                except LegFailed as failure:
                    self._leg_over(LegBroken(failure.what, str(failure)))
                if self._talk:
                    self._talk.cancel()  # tells what was heard of the last reply, then ends
        except* Exception as errors:  # a bug of ours ends this call and no other
            log.exception("call failed", extra={"call": self.id}, exc_info=errors)
            self._settle_as(endings.failed("bug", dialed=self._dialed))
        finally:
            await self._wind_up()

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        """Take what happens until the leg is over."""
        over = False
        while not over:
            event = await self._inbox.get()
            match event:
                case LegUp():
                    await self._set_status("in-progress")
                    self._start_conversation(tasks)
                case LegRinging():
                    await self._set_status("ringing")
                case LegRefused() | LegCancelled() | LegEnded() | LegBroken():
                    self._leg_over(event)
                    over = True
                case LegTransfer():
                    self._transferred(event)
                case LegDirection() | LegDigit() | LegMessage() | LegReferred() | LegMoved():
                    self._note_leg(event)
                case said.CallEndRequested():
                    self.end(state.PIPELINE_FAILURES.get(event.reason, event.reason))
                case _:
                    self._note_said(event)

    def _note_leg(self, event: LegEvent) -> None:
        """Take what changes neither the status of the call nor its end."""
        match event:
            case LegDirection():
                self._note("sip", "hold", {"direction": event.direction})
            case LegDigit():
                at = self._house.clock.monotonic()
                self.on_media(plane.Digit(self.id, at, event.digit, event.duration_s, "info"))
            case LegReferred():
                self._note("sip", "refer", asdict(event))
                self._line.on_referred(self._leg, event)
            case LegMessage() | LegMoved():
                self._note("sip", _kebab(event), asdict(event))

    def _transferred(self, event: LegTransfer) -> None:
        """How the far end fares with calling somebody else; once it has them, we leave."""
        self._note("sip", "transfer", asdict(event))
        if event.final and 200 <= event.status < 300:
            self.end(state.FORWARDED)

    def _start_conversation(self, tasks: asyncio.TaskGroup) -> None:
        if self._conversation:
            return
        self._report.begin(self._house.clock.monotonic())
        self._conversation = Conversation(
            settings=self._settings,
            line=self._leg.stream,
            stt=self._providers.stt,
            model=self._providers.model,
            tts=self._providers.tts,
            clock=self._house.clock,
            on_event=self._inbox.put_nowait,
        )
        self._talk = tasks.create_task(self._conversation.run())

    def _leg_over(self, event: LegOver) -> None:
        match event:
            case LegRefused(status, reason, headers, heard):
                self._settle_as(endings.refused(status, reason, headers, heard=heard))
            case LegCancelled(headers):
                self._settle_as(endings.given_up(headers))
            case LegEnded(why, headers):
                self._settle_as(endings.ended(why, headers, dialed=self._dialed))
            case LegBroken(what, detail):
                self._settle_as(endings.failed(what, detail, dialed=self._dialed))

    def _settle_as(self, ending: endings.Ending) -> None:
        self._settle(ending.reason, ending.sentence)

    def _settle(self, reason: str, message: str | None) -> None:
        """The first reason counts."""
        if self._ended_reason is None:
            self._ended_reason, self._ended_message = reason, message

    async def _wind_up(self) -> None:
        self._leg.hang_up(self._dialed)
        await asyncio.sleep(GOODBYE_S if self._conversation else 0)
        report = await self._leg.close()
        while not self._inbox.empty():  # what the conversation said while it ended
            event = self._inbox.get_nowait()
            if not isinstance(event, LegEvent | said.CallEndRequested):
                self._note_said(event)
        if self._media_lost:
            await self._mend()
        elif report:
            self._note("media", "stream-report", report.as_document())
        self.document["artifact"] = self._report.artifact() | self._addresses()
        self.document["messages"] = self.document["artifact"]["messages"]
        self.document["endedReason"] = self._ended_reason or state.CUSTOMER_ENDED
        if self._ended_message:
            self.document["endedMessage"] = self._ended_message
        await self._set_status("ended")

    async def _mend(self) -> None:
        """Make readable what a media process left half written when it died."""
        if folder := self._leg.folder:
            repairs = await asyncio.to_thread(mended, CallArtifacts(Path(folder)))
            for name, repair in repairs.items():
                self._note("artifact", f"{name}-repaired", asdict(repair))

    def _addresses(self) -> dict[str, str]:
        base = f"{self._house.api_url}/call/{self.id}"
        return {
            "recordingUrl": f"{base}/recording",
            "stereoRecordingUrl": f"{base}/recording/stereo",
            "pcapUrl": f"{base}/pcap",
        }

    async def _set_status(self, status: state.CallStatus) -> None:
        if status not in state.NEXT[self.document["status"]]:
            return
        now = iso(self._house.clock.wall())
        changes: Document = {"status": status, "updatedAt": now}
        if status == "in-progress":
            changes["startedAt"] = now
        if self._leg.sip_call_id:
            changes["phoneCallProviderId"] = self._leg.sip_call_id
        if status == "ended":
            kept = ("artifact", "messages", "endedReason", "endedMessage")
            changes["endedAt"] = now
            changes |= {key: self.document[key] for key in kept if key in self.document}
        self.document.update(changes)
        self._note_status()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(
                self._house.store.merge("call", *self._key, changes)  # what `PATCH` wrote stays
            )

    def _note_status(self) -> None:
        data = {"status": self.document["status"]}
        data |= {k: self.document[k] for k in ("endedReason", "endedMessage") if k in self.document}
        self._note("status", "status-update", data)
        log.info("call", extra={"call": self.id, **data})

    def _note_said(self, event: Any) -> None:
        """Write what the conversation told into the report and the timeline."""
        match event:
            case said.UserTurn():
                self._report.user(event)
                self._note("message", "user-turn", asdict(event), event.ended_at)
            case said.AssistantTurn():
                self._report.assistant(event)
                self._note("message", "assistant-turn", asdict(event), event.ended_at)
            case said.UserTranscript():
                self._note("message", "transcript", asdict(event), event.at)
            case TurnLatency():
                self._report.latency(event)
                data = latency_document(event) | {"generation": event.generation}
                self._note("log", "turn-latency", data, event.at)
            case said.ProviderFailed() | said.Anomaly():
                log.warning("conversation", extra={"call": self.id, "what": event})
                self._note("warning", _kebab(event), asdict(event), event.at)
            case _:
                self._note("log", _kebab(event), asdict(event), event.at)

    def _note_media(self, event: Any) -> None:
        data = asdict(event)
        del data["stream"]
        source: Source = "media"
        if isinstance(event, plane.StreamLost):
            source = "warning"
        if isinstance(event, plane.ArtifactFailed):
            source = "warning"
            log.error("artifact cannot be written", extra={"call": self.id, **data})
        self._note(source, _kebab(event), data, data.get("at"))

    def _note(self, source: Source, kind: str, data: Any, at: float | None = None) -> None:
        self._house.timeline.note(self._key, source, kind, data, at)


def _kebab(event: object) -> str:
    name = type(event).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
