"""The user agent core: SIP without sockets and without a clock (RFC 3261 §8, §12 to §15).

Five verbs are the whole contract with a shell: `receive`, `handle_timer`, `next_timer`,
`messages_to_send`, `events`. The owner's verbs (`invite`, `answer`, `bye` …) act on legs. A verb on
a leg that is over, or not in the state for it, does nothing but count: signalling races are normal.
"""

from collections.abc import Sequence

from ..base.ids import Entropy
from .counters import Counters
from .dialog import Dialog
from .errors import LocalSipError, SipParseError
from .events import Cancelled, Confirmed, Ended, EndReason, Invited, Offered, SipEvent
from .in_dialog import send_in_dialog
from .invite_client import InviteClient
from .invite_server import InviteServer
from .leg import Invitation, Leg, LegState
from .message import Request, Response, parse_message
from .message.body import SDP, session_body
from .refusals import ALLOW, check_accept, check_acceptable, refusal
from .settings import UserAgentSettings
from .transaction_layer import TransactionLayer, ignore
from .transport import Hop, Transmission

HeaderPairs = Sequence[tuple[str, str]]


class UserAgent:
    """Every leg of one SIP address. Times are monotonic seconds."""

    def __init__(self, settings: UserAgentSettings, entropy: Entropy) -> None:
        self.settings = settings
        self._entropy = entropy
        self._layer = TransactionLayer(settings, entropy)
        self._legs: dict[str, Leg] = {}
        self._events: list[SipEvent] = []
        self._closing = False
        self._server = InviteServer(self._layer, settings, self._events, self._end)
        self._client = InviteClient(self._layer, settings, entropy, self._events, self._end)

    @property
    def counters(self) -> Counters:
        """What the signalling has seen."""
        return self._layer.counters

    @property
    def legs(self) -> list[str]:
        """The legs that are not over."""
        return list(self._legs)

    @property
    def busy(self) -> bool:
        """Whether there are legs, or requests of ours without a final response."""
        return bool(self._legs) or self._layer.waiting

    # The shell's verbs ------------------------------------------------------------------------

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one datagram, or one message of a stream."""
        self.counters.received += 1
        try:
            message = parse_message(data)
        except SipParseError as error:
            self.counters.malformed += 1
            self._refuse_unreadable(error, source)
            return
        if isinstance(message, Response):
            self._receive_response(message, source, now)
        else:
            self._receive_request(message, source, now)

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        self._layer.handle_timer(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called next."""
        return self._layer.next_timer()

    def messages_to_send(self) -> list[Transmission]:
        """What must be sent now."""
        out, self._layer.outbox = self._layer.outbox, []
        self.counters.sent += len(out)
        return out

    def transmission_failed(self, transmission: Transmission, now: float) -> None:
        """The shell could not send."""
        self._layer.transmission_failed(transmission, now)

    def events(self) -> list[SipEvent]:
        """What happened since the last call."""
        out = list(self._events)
        self._events.clear()
        return out

    # The owner's verbs ------------------------------------------------------------------------

    def invite(self, invitation: Invitation, now: float) -> str:
        """Call somebody; gives the leg. Raises SipParseError, LocalSipError for unusable URIs."""
        leg = self._client.invite(invitation, now)
        if leg.state is not LegState.OVER:
            self._legs[leg.id] = leg
        return leg.id

    def call_id(self, leg: str) -> str:
        """The Call-ID of a leg. Raises LocalSipError when it is over."""
        if leg not in self._legs:
            raise LocalSipError(f"the leg {leg} is over")
        return self._legs[leg].call_id

    def ring(self, leg: str, status: int, now: float) -> None:
        """Send a provisional response, 180 for ringing."""
        if known := self._in(leg, LegState.INVITED):
            self._server.ring(known, status, now)

    def answer(self, leg: str, body: bytes, headers: HeaderPairs, now: float) -> None:
        """Answer an INVITE with 200."""
        if known := self._in(leg, LegState.INVITED):
            self._server.answer(known, body, headers, now)

    def refuse(
        self, leg: str, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Answer an INVITE with an error."""
        if known := self._in(leg, LegState.INVITED):
            self._server.refuse(known, status, reason, headers, now)
            self._forget(known)

    def cancel(self, leg: str, headers: HeaderPairs, now: float) -> None:
        """Give up our INVITE; the end is told as Refused."""
        if known := self._in(leg, LegState.CALLING):
            self._client.cancel(known, headers, now)

    def bye(self, leg: str, headers: HeaderPairs, now: float) -> None:
        """Hang up an answered call."""
        known = self._in(leg, LegState.ANSWERED, LegState.TALKING)
        if known is None:
            return
        if known.state is LegState.ANSWERED:
            known.goodbye = tuple(headers)  # §15: not before the ACK
            return
        self._send_bye(known, headers, now)
        self._forget(known)

    def offer(self, leg: str, body: bytes, now: float) -> None:
        """Send a re-INVITE; OfferAnswered follows."""
        if known := self._in(leg, LegState.TALKING):
            self._client.offer(known, body, now)

    def accept_offer(self, leg: str, body: bytes, now: float) -> None:
        """Answer a re-INVITE with 200."""
        if known := self._in(leg, LegState.TALKING):
            self._server.accept_offer(known, body, now)

    def refuse_offer(
        self, leg: str, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Answer a re-INVITE with an error; the call goes on as it was."""
        if known := self._in(leg, LegState.TALKING):
            self._server.refuse(known, status, reason, headers, now)

    def close(self, now: float) -> None:
        """Say goodbye to every peer, and from now on take no call."""
        self._closing = True
        for leg in list(self._legs.values()):
            match leg.state:
                case LegState.INVITED:
                    self.refuse(leg.id, 503, None, (), now)
                case LegState.CALLING:
                    self.cancel(leg.id, (), now)
                case _:
                    self.bye(leg.id, (), now)

    # Requests ---------------------------------------------------------------------------------

    def _receive_response(self, response: Response, source: Hop, now: float) -> None:
        try:
            response.check()
        except SipParseError as error:
            self.counters.malformed += 1
            self.counters.note_refusal(source.host, "response", 0, str(error))
            return
        if not self._layer.receive_response(response, source, now):
            self.counters.dropped += 1

    def _receive_request(self, request: Request, source: Hop, now: float) -> None:
        try:
            request.stamp_via(source.host, source.port)
            if request.version != "2.0":
                raise SipParseError(f"SIP version {request.version}, expected 2.0", status=505)
            request.check()
        except SipParseError as error:
            self.counters.malformed += 1
            self._refuse(request, source, error)
            return
        if self._layer.absorb(request, now):
            return
        if request.method == "ACK":
            self._take_ack(request, now)
            return
        try:
            self._take(request, source, now)
        except SipParseError as error:
            self._refuse(request, source, error)

    def _take(self, request: Request, source: Hop, now: float) -> None:
        """Take a new request. Raises SipParseError with the status of a refusal."""
        if request.method == "CANCEL":
            self._take_cancel(request, source, now)
            return
        if self._layer.is_merged(request) or self._layer.is_loop(request):
            raise SipParseError("this request reached us before", status=482)
        check_acceptable(request)
        if request.to.tag is not None:
            self._take_in_dialog(request, source, now)
        elif request.method == "INVITE":
            self._take_invite(request, source, now)
        elif request.method == "OPTIONS":  # keeps nothing: a flood of them costs no memory
            tag = self._layer.stateless_tag(request)
            self._layer.respond_stateless(request, self._consent(request, tag), source)
        else:
            raise SipParseError("there is no such call", status=481)

    def _take_invite(self, request: Request, source: Hop, now: float) -> None:
        if self._closing:
            raise SipParseError("going out of service", status=503)
        if len(self._legs) >= self.settings.max_dialogs:
            raise SipParseError("too many calls", status=503)
        if len(self._layer) >= self.settings.max_transactions:
            raise SipParseError("too many transactions", status=503)
        check_accept(request)
        body = session_body(request)
        leg = self._server.open(request, source, self._entropy.token(), self._entropy.uuid(), now)
        self._legs[leg.id] = leg
        self._events.append(
            Invited(
                leg=leg.id,
                call_id=request.call_id,
                request_uri=request.target,
                from_uri=str(request.from_.uri),
                from_name=request.from_.display_name,
                to_uri=str(request.to.uri),
                source=(source.host, source.port),
                transport=source.transport,
                headers=tuple(request.headers),
                body=body,
            )
        )

    def _take_in_dialog(self, request: Request, source: Hop, now: float) -> None:
        leg = self._leg_of(request)
        if leg is None or leg.dialog is None:
            raise SipParseError("there is no such call", status=481)
        if len(self._layer) >= self.settings.max_transactions and request.method != "BYE":
            raise SipParseError("too many transactions", status=503)
        try:
            self._serve(leg, leg.dialog, request, source, now)
        except SipParseError as error:
            # Kept, unlike other refusals: the repeated request would be judged by a CSeq that
            # it has used up itself.
            response = self._refusal(request, source, error, leg.local_tag)
            self._layer.respond(self._layer.accept(request, source), response, now)

    def _serve(self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float) -> None:
        if not dialog.in_order(request.cseq.sequence):
            raise SipParseError("CSeq is out of order", status=500)
        match request.method:
            case "BYE":
                self._consent_to(request, source, leg.local_tag, now)
                self._peer_left(leg, request, now)
            case "INVITE":
                self._take_offer(leg, request, source, now)
            case _:
                self._consent_to(request, source, leg.local_tag, now)

    def _take_offer(self, leg: Leg, request: Request, source: Hop, now: float) -> None:
        if leg.transaction is not None:
            raise SipParseError("another INVITE waits for its answer", status=500)
        if leg.offering or leg.unacknowledged:
            raise SipParseError("another offer is under way", status=491)
        body = session_body(request)
        self._server.open_offer(leg, request, source, now)
        self._events.append(Offered(leg.id, body))

    def _take_ack(self, request: Request, now: float) -> None:
        leg = self._leg_of(request)
        pending = self._server.acknowledged(leg, request) if leg else None
        if leg is None or pending is None:
            self.counters.dropped += 1
            return
        leg.state = LegState.TALKING
        body = _body_or_none(request) if pending.offered else None
        if leg.goodbye is not None:
            self._send_bye(leg, leg.goodbye, now)
            self._forget(leg)
        elif not leg.told_up or body:
            leg.told_up = True
            self._events.append(Confirmed(leg.id, body))

    def _take_cancel(self, request: Request, source: Hop, now: float) -> None:
        invite = self._layer.invite_of(request)
        if invite is None:
            raise SipParseError("there is no such transaction", status=481)
        leg = next((leg for leg in self._legs.values() if leg.transaction is invite), None)
        tag = leg.local_tag if leg else self._layer.stateless_tag(request)
        self._consent_to(request, source, tag, now)
        if leg is None:
            return  # answered already: the CANCEL has no effect (§9.2)
        self._server.refuse(leg, 487, None, (), now)
        if leg.state is LegState.INVITED:
            self._forget(leg)
            self._events.append(Cancelled(leg.id, tuple(request.headers)))

    def _peer_left(self, leg: Leg, request: Request, now: float) -> None:
        early = leg.state is LegState.INVITED
        if leg.transaction is not None:
            self._server.refuse(leg, 487, None, (), now)
        if early:
            self._forget(leg)
            self._events.append(Cancelled(leg.id, tuple(request.headers)))
            return
        self._end(leg, "bye", tuple(request.headers))

    # Answers ----------------------------------------------------------------------------------

    def _consent(self, request: Request, tag: str) -> Response:
        response = request.response(200, to_tag=tag)
        for name, value in (("Allow", ALLOW), ("Accept", SDP), ("Server", self.settings.product)):
            response.headers.add(name, value)
        return response

    def _consent_to(self, request: Request, source: Hop, tag: str, now: float) -> None:
        transaction = self._layer.accept(request, source)
        self._layer.respond(transaction, self._consent(request, tag), now)

    def _refuse(self, request: Request, source: Hop, error: SipParseError) -> None:
        """Refuse without keeping anything; an ACK is never answered."""
        if request.method == "ACK":
            self.counters.note_refusal(source.host, "ACK", 0, str(error))
            return
        response = self._refusal(request, source, error, self._layer.stateless_tag(request))
        self._layer.respond_stateless(request, response, source)

    def _refusal(self, request: Request, source: Hop, error: SipParseError, tag: str) -> Response:
        why = str(error)
        self.counters.note_refusal(source.host, request.method, error.status, why)
        return refusal(request, error.status, why, self.settings, tag)

    def _refuse_unreadable(self, error: SipParseError, source: Hop) -> None:
        request = error.request
        if request is None:
            self.counters.note_refusal(source.host, "?", 0, str(error))
            return
        try:
            request.stamp_via(source.host, source.port)
        except SipParseError:
            self.counters.note_refusal(source.host, request.method, 0, str(error))
            return
        self._refuse(request, source, error)

    # Legs -------------------------------------------------------------------------------------

    def _send_bye(self, leg: Leg, headers: HeaderPairs, now: float) -> None:
        if leg.dialog is None:
            return
        request = leg.dialog.request("BYE")
        for name, value in headers:
            request.headers.add(name, value)
        send_in_dialog(self._layer, leg.dialog, request, ignore, now)

    def _leg_of(self, request: Request) -> Leg | None:
        """The leg that a request in a dialog belongs to."""
        for leg in self._legs.values():
            if leg.dialog is not None and leg.dialog.is_of(request):
                return leg
        return None

    def _in(self, leg: str, *states: LegState) -> Leg | None:
        known = self._legs.get(leg)
        if known is None or known.state not in states:
            self.counters.late_verbs += 1
            return None
        return known

    def _end(self, leg: Leg, why: EndReason, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """An answered leg is over for a reason that is not the owner's."""
        if leg.id in self._legs and leg.goodbye is None:
            self._events.append(Ended(leg.id, why, headers))
        self._forget(leg)

    def _forget(self, leg: Leg) -> None:
        leg.state = LegState.OVER
        self._server.stop(leg)
        self._legs.pop(leg.id, None)


def _body_or_none(request: Request) -> bytes | None:
    try:
        return session_body(request)
    except SipParseError:
        return None
