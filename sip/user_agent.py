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
from .settings import UserAgentSettings
from .transaction import Transaction
from .transaction_layer import TransactionLayer, ignore
from .transport import Hop, Transmission

HeaderPairs = Sequence[tuple[str, str]]

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS"
KNOWN_METHODS = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"})


class UserAgent:
    """Every leg of one SIP address. Times are monotonic seconds."""

    def __init__(self, settings: UserAgentSettings, entropy: Entropy) -> None:
        self.settings = settings
        self._entropy = entropy
        self._layer = TransactionLayer(settings, entropy)
        self._legs: dict[str, Leg] = {}
        self._events: list[SipEvent] = []
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
        """Whether a request of ours still waits for its final response."""
        return self._layer.waiting

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
        if (known := self._in(leg, LegState.TALKING)) and not known.offering:
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
            self._server.refuse_offer(known, status, reason, headers, now)

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
            self._refuse(request, source, error.status, str(error))
            return
        if self._layer.absorb(request, now):
            return
        if request.method == "ACK":
            self._take_ack(request, now)
            return
        try:
            self._take(request, source, now)
        except SipParseError as error:
            self._refuse(request, source, error.status, str(error), _explanation(error.status))

    def _take(self, request: Request, source: Hop, now: float) -> None:
        """Take a new request. Raises SipParseError with the status of a refusal."""
        if request.method == "CANCEL":
            self._take_cancel(request, source, now)
            return
        self._check_acceptable(request)
        if request.to.tag is not None:
            self._take_in_dialog(request, source, now)
        elif request.method == "INVITE":
            self._take_invite(request, source, now)
        elif request.method == "OPTIONS":
            self._respond(request, source, 200, now)
        else:
            raise SipParseError("there is no such call", status=481)

    def _check_acceptable(self, request: Request) -> None:
        if self._layer.is_merged(request) or self._layer.is_loop(request):
            raise SipParseError("this request reached us before", status=482)
        hops = request.headers.first("Max-Forwards") or "70"
        if hops.isascii() and hops.isdigit() and int(hops) == 0 and request.method != "OPTIONS":
            raise SipParseError("Max-Forwards is used up", status=483)
        if request.uri.scheme != "sip":
            raise SipParseError(f"cannot serve a {request.uri.scheme}: URI", status=416)
        if request.method not in KNOWN_METHODS:
            raise SipParseError(f"{request.method[:32]} is not supported", status=405)
        if required := request.headers.items_of("Require"):
            raise SipParseError(", ".join(required), status=420)
        if len(self._layer) >= self.settings.max_transactions:
            raise SipParseError("too many transactions", status=503)

    def _take_invite(self, request: Request, source: Hop, now: float) -> None:
        if len(self._legs) >= self.settings.max_dialogs:
            raise SipParseError("too many calls", status=503)
        _check_reachable(request, source)
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
        leg = next((leg for leg in self._legs.values() if _is_of(leg, request)), None)
        if leg is None or leg.dialog is None:
            raise SipParseError("there is no such call", status=481)
        if not leg.dialog.in_order(request.cseq.sequence):
            raise SipParseError("CSeq is out of order", status=500)
        match request.method:
            case "BYE":
                self._respond(request, source, 200, now)
                self._peer_left(leg, request, now)
            case "INVITE":
                self._take_offer(leg, request, source, now)
            case "OPTIONS":
                self._respond(request, source, 200, now)
            case _:
                raise SipParseError(f"{request.method} is not expected in a call", status=405)

    def _take_offer(self, leg: Leg, request: Request, source: Hop, now: float) -> None:
        if leg.offering or leg.unacknowledged or leg.state is not LegState.TALKING:
            raise SipParseError("another offer is under way", status=491)
        if leg.transaction is not None:
            raise SipParseError("another re-INVITE waits for its answer", status=500)
        body = session_body(request)
        self._server.open_offer(leg, request, source, now)
        self._events.append(Offered(leg.id, body))

    def _take_ack(self, request: Request, now: float) -> None:
        leg = next((leg for leg in self._legs.values() if _is_of(leg, request)), None)
        if leg is None or not self._server.acknowledged(leg, request):
            self.counters.dropped += 1
            return
        leg.state = LegState.TALKING
        body = _body_or_none(request)
        if not leg.told_up or body:
            leg.told_up = True
            self._events.append(Confirmed(leg.id, body))
        if leg.goodbye is not None:
            self._send_bye(leg, leg.goodbye, now)
            self._forget(leg)

    def _take_cancel(self, request: Request, source: Hop, now: float) -> None:
        invite = self._layer.invite_of(request)
        if invite is None:
            raise SipParseError("there is no such transaction", status=481)
        self._respond(request, source, 200, now)
        leg = next((leg for leg in self._legs.values() if leg.transaction is invite), None)
        if leg is None:
            return  # answered already: the CANCEL has no effect (§9.2)
        if leg.state is LegState.INVITED:
            self._server.refuse(leg, 487, None, (), now)
            self._forget(leg)
            self._events.append(Cancelled(leg.id, tuple(request.headers)))
        elif leg.state is LegState.TALKING:
            self._server.refuse_offer(leg, 487, None, (), now)

    def _peer_left(self, leg: Leg, request: Request, now: float) -> None:
        if leg.state is LegState.INVITED:
            self._server.refuse(leg, 487, None, (), now)
            self._forget(leg)
            self._events.append(Cancelled(leg.id, tuple(request.headers)))
            return
        if leg.transaction is not None:
            self._server.refuse_offer(leg, 487, None, (), now)
        self._end(leg, "bye", tuple(request.headers))

    # Answers ----------------------------------------------------------------------------------

    def _respond(
        self,
        request: Request,
        source: Hop,
        status: int,
        now: float,
        headers: HeaderPairs = (),
    ) -> Transaction:
        response = request.response(status, to_tag=self._entropy.token())
        for name, value in [("Allow", ALLOW), ("Accept", SDP), *headers]:
            response.headers.add(name, value)
        response.headers.add("Server", self.settings.product)
        transaction = self._layer.accept(request, source)
        self._layer.respond(transaction, response, now)
        return transaction

    def _refuse(
        self,
        request: Request,
        source: Hop,
        status: int,
        why: str,
        headers: HeaderPairs = (),
    ) -> None:
        """Refuse without keeping anything; an ACK is never answered."""
        if request.method == "ACK":
            status = 0
        self.counters.note_refusal(source.host, request.method, status, why)
        if not status:
            return
        tag = self._layer.stateless_tag(request)
        reason = _phrase(why) if status in (400, 503) else None
        response = request.response(status, reason, to_tag=tag)
        if status == 420:
            headers = [("Unsupported", why)]
        if status == 503:
            headers = [("Retry-After", str(self.settings.retry_after_s))]
        for name, value in headers:
            response.headers.add(name, value)
        response.headers.add("Server", self.settings.product)
        self._layer.respond_stateless(request, response, source)

    def _refuse_unreadable(self, error: SipParseError, source: Hop) -> None:
        if error.request is None:
            self.counters.note_refusal(source.host, "?", 0, str(error))
            return
        try:
            error.request.stamp_via(source.host, source.port)
        except SipParseError:
            self.counters.note_refusal(source.host, error.request.method, 0, str(error))
            return
        self._refuse(error.request, source, error.status, str(error))

    # Legs -------------------------------------------------------------------------------------

    def _send_bye(self, leg: Leg, headers: HeaderPairs, now: float) -> None:
        if leg.dialog is None:
            return
        request = leg.dialog.request("BYE")
        for name, value in headers:
            request.headers.add(name, value)
        send_in_dialog(self._layer, leg.dialog, request, ignore, now)

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


def _is_of(leg: Leg, request: Request) -> bool:
    return leg.dialog is not None and leg.dialog.is_of(request)


def _body_or_none(request: Request) -> bytes | None:
    try:
        return session_body(request)
    except SipParseError:
        return None


def _check_reachable(request: Request, source: Hop) -> None:
    """Refuse a call whose caller could not be told anything later. Raises SipParseError."""
    accepted = request.headers.items_of("Accept")
    kinds = {item.partition(";")[0].strip().lower() for item in accepted}
    if accepted and not kinds & {SDP, "application/*", "*/*"}:
        raise SipParseError(f"Accept leaves out {SDP}", status=406)
    try:
        Dialog.of_request(request, "", source).route()
    except LocalSipError as error:
        raise SipParseError(f"Contact or Record-Route: {error}") from error


def _explanation(status: int) -> list[tuple[str, str]]:
    match status:
        case 405:
            return [("Allow", ALLOW)]
        case 415:
            return [("Accept", SDP)]
        case _:
            return []


def _phrase(why: str) -> str:
    """A reason phrase of one short printable line."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in why)[:120]
