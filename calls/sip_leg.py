"""A SIP leg: one SIP dialog joined to one RTP stream.

The only place where signalling and media meet. A leg turns SIP events and session descriptions into
stream configurations, and tells its owner in a few words what became of it. It knows no assistant
and no document: the runtime's calls and the command-line caller use it alike.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ..base.errors import AywaError
from ..base.ids import Entropy
from ..media import MediaError, plane
from ..media.io.client import MediaPlane
from ..media.io.engines import MediaEngines
from ..media.io.stream import MediaStream
from ..media.quality import StreamReport
from ..media.sdp import (
    MediaPolicy,
    Negotiated,
    NotAcceptable,
    SdpError,
    Session,
    hidden_keys,
)
from ..sip import events as sip
from ..sip.attempt import MOVE_ON
from ..sip.errors import SipError
from ..sip.io.endpoint import SipEndpoint
from ..sip.leg import Invitation
from . import info_digits
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
from .wire_log import WireLog

log = logging.getLogger(__name__)

BAD_REQUEST, UNKNOWN_CALL, NOT_ACCEPTABLE, UNAVAILABLE = 400, 481, 488, 503
RETRY_AFTER_S = "5"


_FAILURES = {
    BAD_REQUEST: "bad-description",
    NOT_ACCEPTABLE: "no-common-codec",
    UNAVAILABLE: "no-media-port",
}
State = Literal["new", "ringing", "up", "over"]


class LegFailed(AywaError):
    """A leg could not be set up; `status` is the SIP answer that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def what(self) -> str:
        """The failure as a word of `endings.FAILURES`."""
        return _FAILURES.get(self.status, "media-plane")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What every leg needs from the house: the SIP endpoint, the media plane, the capture tap."""

    endpoint: SipEndpoint
    media: MediaPlane | MediaEngines
    wire: WireLog
    entropy: Entropy
    media_host: str
    """Address that RTP sockets are bound to."""
    signalled_host: str
    """Address that session descriptions carry."""
    second_host: str | None = None
    """The same for peers of the other IP version."""
    media_timeout_s: float | None = None
    """How long no audio may come before MediaSilent is `final`."""
    dialogs: dict[str, "SipLeg"] = field(default_factory=dict)
    """Every leg by each of its SIP dialogs."""

    def hosts_towards(self, peer: str) -> tuple[str, str]:
        """Where RTP with a peer is received, and what its session descriptions say of it."""
        second = self.second_host
        if second and (":" in second) == (":" in peer) != (":" in self.media_host):
            return second, second
        return self.media_host, self.signalled_host

    def on_sip(self, event: sip.SipEvent) -> None:
        """Pass an event to the leg whose dialog it is of."""
        if isinstance(event, sip.DialogEvent) and (leg := self.dialogs.get(event.leg)):
            leg.handle(event)


@dataclass(slots=True)
class Move:
    """A far end that the leg is about to have instead of the present one."""

    referral: str
    dialog: str
    session: Session


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where a leg writes, and what."""

    folder: str
    record: bool = True
    capture: bool = True


class SipLeg:
    """One SIP dialog and its RTP stream, from either side of the call."""

    def __init__(
        self,
        exchange: Exchange,
        name: str,
        *,
        on_event: Callable[[LegEvent], None],
        on_media: Callable[[plane.Event], None],
    ) -> None:
        self.policy = MediaPolicy(security="optional")
        """What may be agreed on; set before `accept` or `dial`."""
        self._exchange = exchange
        self._name = name
        self._on_event = on_event
        self._on_media = on_media
        self._artifacts: Artifacts | None = None
        self._session: Session | None = None
        self._stream: MediaStream | None = None
        self._state: State = "new"
        self._direction: plane.Direction = "sendrecv"
        self.party: str | None = None
        """Whose the far end is: a trunk, or None for nobody's."""
        self._signalled = exchange.signalled_host
        self._ways: list[Invitation] = []
        self._move: Move | None = None
        self._claimed: dict[str, str] = {}
        """Call-IDs by dialog."""
        self.dialog: str | None = None
        self.sip_call_id: str | None = None

    @property
    def stream(self) -> MediaStream:
        """The open RTP stream. Raises LegFailed before `accept` or `dial` opened it."""
        if self._stream is None:
            raise LegFailed(UNAVAILABLE, "the leg has no media stream")
        return self._stream

    def keep(self, artifacts: Artifacts) -> None:
        """Record and capture the leg; to be said before `accept` or `dial`."""
        self._artifacts = artifacts

    @property
    def folder(self) -> str | None:
        """Where recording and capture are kept."""
        return self._artifacts.folder if self._artifacts else None

    def belongs_to(self, invited: sip.Invited) -> None:
        """This leg is of an INVITE that came in: from now on its events come here."""
        self.party = invited.party
        self._adopt(invited.leg)

    async def accept(self, invited: sip.Invited, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Ring and answer an incoming INVITE.

        Raises LegFailed, having refused the INVITE, when there is no common ground or no port.
        """
        self._exchange.endpoint.ring(invited.leg)
        self._state = "ringing"
        try:
            session = await self._open_stream(invited.source[0])
            body = self._answer(invited.body) if invited.body else session.offer()
        except LegFailed as failure:
            self.refuse(failure.status, str(failure))
            raise
        if self.sip_call_id:
            self._exchange.wire.claim(self.sip_call_id, self._capture)
        if self._state == "ringing":  # the caller may have given up while the port was opened
            self._exchange.endpoint.answer(invited.leg, body, headers)

    async def dial(self, ways: Sequence[Invitation]) -> None:
        """Call, by the first of the ways that serves; the offer is put into each.

        Raises LegFailed if no port is to be had, or a URI cannot be called.
        """
        targets = ways[0].targets
        await self._open_stream(targets[0].host if targets else "")
        if self._state != "new":  # hung up while the port was opened
            return
        self._state = "ringing"
        self._ways = list(ways)
        self._call_next()

    def _call_next(self) -> None:
        way, session = self._ways.pop(0), self._fresh_session()
        self._session = session
        self._adopt(self._invite(way, session))

    def _invite(self, way: Invitation, session: Session) -> str:
        try:
            return self._exchange.endpoint.invite(replace(way, body=session.offer()))
        except SipError as error:
            raise LegFailed(BAD_REQUEST, str(error)) from error

    def move(self, referral: str, way: Invitation) -> None:
        """Call whom the far end asked us to call instead of it. LegMoved follows when it answers.

        The stream stays, with its recording: only its peer changes.
        """
        if self.dialog is None or self._move is not None:
            return
        session = self._fresh_session()
        dialog, endpoint = self.dialog, self._exchange.endpoint
        try:
            called = self._invite(way, session)
        except LegFailed:
            self.stay(referral, BAD_REQUEST)
            return
        endpoint.do(lambda agent, now: agent.transfers.accept(dialog, referral, now))
        self._move = Move(referral, called, session)
        self._claim(called)

    def stay(self, referral: str, status: int) -> None:
        """Refuse to call whom the far end asked us to call."""
        dialog = self.dialog
        if dialog:
            self._exchange.endpoint.do(
                lambda agent, now: agent.transfers.refuse(dialog, referral, status, now)
            )

    def take_over(self, invited: sip.Invited) -> None:
        """Answer an INVITE that takes the place of this leg's dialog (RFC 3891).

        What it offers decides where audio goes from now on; LegMoved follows. Only a far end of
        the same party may do that.
        """
        if invited.party != self.party:
            self._exchange.endpoint.refuse(invited.leg, UNKNOWN_CALL)
            return
        session = self._fresh_session()
        before, self._session = self._session, session
        try:
            body = self._answer(invited.body) if invited.body else session.offer()
        except LegFailed as failure:
            self._session = before
            self._exchange.endpoint.refuse(invited.leg, failure.status, str(failure))
            return
        self._adopt(invited.leg)
        self._exchange.endpoint.answer(invited.leg, body)
        self._on_event(LegMoved("replaces"))

    def refer(self, target: str) -> None:
        """Ask the far end to call `target` instead of us; LegTransfer follows."""
        dialog = self.dialog
        if dialog is None or self._state != "up":
            raise LegFailed(UNAVAILABLE, "the leg is not in talk")
        try:
            self._exchange.endpoint.do(
                lambda agent, now: agent.transfers.refer(dialog, target, now)
            )
        except SipError as error:
            raise LegFailed(BAD_REQUEST, str(error)) from error

    def press(self, digits: str) -> None:
        """Press keys by SIP INFO."""
        for digit in digits:
            self._inform(*info_digits.written(digit))

    def _inform(self, content_type: str, body: bytes) -> None:
        dialog = self.dialog
        if dialog:
            self._exchange.endpoint.do(
                lambda agent, now: agent.calls.inform(dialog, content_type, body, now)
            )

    def refuse(self, status: int, reason: str) -> None:
        """Refuse the incoming INVITE; when it is for want of room, say when to try again."""
        if self.dialog and self._state in ("new", "ringing"):
            self._state = "over"
            headers = (("Retry-After", RETRY_AFTER_S),) if status == UNAVAILABLE else ()
            self._exchange.endpoint.refuse(self.dialog, status, reason, headers)

    def hang_up(self, dialed: bool) -> None:
        """End the leg in whatever state it is: CANCEL, refuse or BYE."""
        state, self._state = self._state, "over"
        self._ways.clear()
        if self._move:
            self._exchange.endpoint.cancel(self._move.dialog)
        if self.dialog is None or state == "over":
            return
        if state == "up":
            self._exchange.endpoint.bye(self.dialog)
        elif dialed:
            self._exchange.endpoint.cancel(self.dialog)
        else:
            self._exchange.endpoint.refuse(self.dialog, 480, "Temporarily Unavailable")

    async def close(self) -> StreamReport | None:
        """Close the stream, and with it recording and capture; the dialog must be over."""
        for dialog, call_id in self._claimed.items():
            self._exchange.dialogs.pop(dialog, None)
            self._exchange.wire.release(call_id)
        stream, self._stream = self._stream, None
        return await stream.close() if stream else None

    def handle(self, event: sip.DialogEvent) -> None:
        """Take one event of this leg's dialog."""
        try:
            self._handle(event)
        except LegFailed as failure:
            log.warning("leg failed", extra={"leg": self._name, "why": failure})
            self.hang_up(dialed=True)
            self._on_event(LegBroken(failure.what, str(failure)))

    def _handle(self, event: sip.DialogEvent) -> None:
        if event.leg != self.dialog:
            if self._move and event.leg == self._move.dialog:
                self._handle_move(self._move, event)
            return  # else a dialog that this leg has left
        match event:
            case sip.Rang():
                self._take_answer(event.body)
                self._on_event(LegRinging(early_media=bool(event.body)))
            case sip.Answered() | sip.Confirmed():
                self._come_up(event)
            case sip.Offered():
                self._answer_offer(event)
            case sip.Refused() if event.status in MOVE_ON and self._ways:
                self._call_next()
            case sip.Refused() | sip.Cancelled() | sip.Ended():
                self._go_down(event)
            case _:
                self._handle_talk(event)

    def _handle_talk(self, event: sip.DialogEvent) -> None:
        """Take what the far end says besides setting up and ending the call."""
        match event:
            case sip.OfferAnswered():
                self._take_answer(event.body)
            case sip.Informed():
                self._informed(event)
            case sip.Referred():
                self._on_event(
                    LegReferred(event.referral, event.target, event.replaces, event.referred_by)
                )
            case sip.ReferProgress():
                self._on_event(LegTransfer(event.status, event.reason, event.final))

    def _informed(self, event: sip.Informed) -> None:
        if pressed := info_digits.read(event.content_type, event.body):
            self._on_event(LegDigit(*pressed))
        elif event.method == "MESSAGE":
            self._on_event(LegMessage(event.body.decode("utf-8", "replace").strip()))

    def _handle_move(self, move: Move, event: sip.DialogEvent) -> None:
        """Take an event of the call that the far end asked for."""
        match event:
            case sip.Rang():
                self._tell_referral(move, event.status, "Ringing")
            case sip.Answered():
                self._moved(move, event)
            case sip.Refused() | sip.Ended():
                self._move = None
                status = event.status if isinstance(event, sip.Refused) else UNAVAILABLE
                self._tell_referral(move, status, "Failed")

    def _moved(self, move: Move, event: sip.Answered) -> None:
        """The new far end answered: it has the stream now, and the old one is told."""
        self._move = None
        before, self._session = self._session, move.session
        try:
            self._take_answer(event.body)
        except LegFailed as failure:
            self._session = before
            self._exchange.endpoint.bye(move.dialog)
            self._tell_referral(move, NOT_ACCEPTABLE, str(failure))
            return
        self._tell_referral(move, 200, "OK")
        old, self.dialog = self.dialog, move.dialog
        if old:
            self._exchange.endpoint.bye(old)
        self._on_event(LegMoved("refer"))

    def _tell_referral(self, move: Move, status: int, reason: str) -> None:
        dialog = self.dialog
        if dialog:
            self._exchange.endpoint.do(
                lambda agent, now: agent.transfers.tell(dialog, move.referral, status, reason, now)
            )

    def _come_up(self, event: sip.Answered | sip.Confirmed) -> None:
        if self._state == "over":  # the answer crossed our CANCEL: the user agent says BYE
            return
        self._state = "up"
        self._take_answer(event.body)
        self._on_event(LegUp(event.headers if isinstance(event, sip.Answered) else ()))

    def _go_down(self, event: sip.Refused | sip.Cancelled | sip.Ended) -> None:
        self._state = "over"
        match event:
            case sip.Refused():
                self._on_event(LegRefused(event.status, event.reason, event.headers, event.heard))
            case sip.Cancelled():
                self._on_event(LegCancelled(event.headers))
            case sip.Ended():
                self._on_event(LegEnded(event.reason, event.headers))

    async def _open_stream(self, peer: str) -> Session:
        """Open the stream for a peer at this address. Raises LegFailed."""
        kept = self._artifacts
        host, self._signalled = self._exchange.hosts_towards(peer)
        try:
            self._stream = await self._exchange.media.open(
                self._name,
                host,
                on_event=self._on_media,
                folder=kept.folder if kept else None,
                record=bool(kept and kept.record),
                capture=bool(kept and kept.capture),
                end_after_s=self._exchange.media_timeout_s,
            )
        except MediaError as error:
            raise LegFailed(UNAVAILABLE, str(error)) from error
        self._session = self._fresh_session()
        return self._session

    def _fresh_session(self) -> Session:
        """Our side of a new offer/answer exchange over the open stream."""
        number = self._exchange.entropy.integer(48)
        return Session(
            self._signalled,
            self.stream.port,
            number,
            self.policy,
            self._exchange.entropy,
            fingerprint=self.stream.fingerprint,
        )

    def _adopt(self, dialog: str) -> None:
        """This dialog is the leg's from now on."""
        self.dialog = dialog
        self._claim(dialog)

    def _claim(self, dialog: str) -> None:
        """Events of a dialog come to this leg, and so do its messages once there is a stream."""
        call_id = self._exchange.endpoint.call_id(dialog)
        self._exchange.dialogs[dialog] = self
        self._claimed[dialog] = self.sip_call_id = call_id
        if self._stream:  # until then the wire log keeps them
            self._exchange.wire.claim(call_id, self._capture)

    def _capture(self, message: sip.WireMessage) -> None:
        if self._stream:
            self._stream.capture_sip(
                at=message.at,
                source=message.source,
                destination=message.destination,
                transport=message.transport,
                payload=hidden_keys(message.payload),
            )

    def _answer(self, offer: bytes) -> bytes:
        """Answer an offer and set the stream up. Raises LegFailed."""
        if self._session is None:
            raise LegFailed(UNAVAILABLE, "the leg has no media session")
        try:
            body, agreed = self._session.answer(offer)
        except SdpError as error:
            raise LegFailed(BAD_REQUEST, str(error)) from error
        except NotAcceptable as error:
            raise LegFailed(NOT_ACCEPTABLE, str(error)) from error
        self._configure(agreed)
        return body

    def _take_answer(self, answer: bytes | None) -> None:
        """Take the far end's answer to our offer, if it came. Raises LegFailed."""
        if not answer or self._session is None:
            return
        try:
            self._configure(self._session.accept(answer))
        except (SdpError, NotAcceptable) as error:
            raise LegFailed(
                NOT_ACCEPTABLE, f"the far end's answer cannot be used: {error}"
            ) from error

    def _answer_offer(self, offered: sip.Offered) -> None:
        """Answer a re-INVITE; one that cannot be met leaves the call as it was."""
        endpoint = self._exchange.endpoint
        try:
            if offered.body:
                body = self._answer(offered.body)
            elif self._session:
                body = self._session.offer()
            else:
                raise LegFailed(UNAVAILABLE, "the leg has no media session")
        except LegFailed as failure:
            log.warning("re-INVITE refused", extra={"leg": self._name, "why": failure})
            endpoint.refuse_offer(offered.leg, failure.status, str(failure))
            return
        endpoint.accept_offer(offered.leg, body)

    def _configure(self, agreed: Negotiated) -> None:
        before, self._direction = self._direction, agreed.direction
        self.stream.configure(agreed)
        if before != agreed.direction:
            self._on_event(LegDirection(agreed.direction))
