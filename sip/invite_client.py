"""The caller's side of INVITE and re-INVITE (RFC 3261 §13.2, §14.1).

Rule 1: the ACK for a 2xx is ours, and is sent again for each repetition of the 2xx (§13.2.2.4).
Rule 2: a 2xx with another To tag is a fork: it gets its ACK and a BYE.
Rule 3: CANCEL waits for a provisional response (§9.1); a 2xx that crosses it gets ACK and BYE.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..base.ids import Entropy
from .dialog import MAX_FORWARDS, Dialog
from .errors import SipParseError
from .events import Answered, EndReason, OfferAnswered, Rang, Refused, SipEvent
from .in_dialog import acknowledge, send_in_dialog
from .invite_server import contact
from .leg import Invitation, Leg, LegState
from .message import Address, CSeq, Headers, Request, Response, Uri
from .message.body import SDP, session_body
from .refusals import ALLOW
from .settings import UserAgentSettings
from .transaction_layer import Failure, Outcome, TransactionLayer, TransactionUser, ignore
from .transport import Hop, Route, Transport

HeaderPairs = Sequence[tuple[str, str]]

GIVE_UP = "cancel"
MAX_FORKS = 16
"""Answers to one INVITE that are acknowledged; no honest proxy forks wider."""


class InviteClient:
    """Sends INVITEs."""

    def __init__(
        self,
        layer: TransactionLayer,
        settings: UserAgentSettings,
        entropy: Entropy,
        events: list[SipEvent],
        end: Callable[[Leg, EndReason], None],
    ) -> None:
        self._layer = layer
        self._settings = settings
        self._entropy = entropy
        self._events = events
        self._end = end

    def invite(self, invitation: Invitation, now: float) -> Leg:
        """Send an INVITE. Raises SipParseError, LocalSipError for unusable URIs."""
        uri = Uri.parse(invitation.target)
        hop = Hop.of_uri(uri, invitation.transport or "udp")
        caller = Address(Uri.parse(invitation.from_uri), invitation.from_name)
        tag = self._entropy.token()
        request = Request("INVITE", str(replace(uri, headers="")))
        fields = request.headers
        route = Route(hop)
        fields.add("Via", self._layer.new_via(route))
        fields.add("Max-Forwards", MAX_FORWARDS)
        fields.add("From", str(caller.tagged(tag)))
        fields.add("To", str(Address(Uri.parse(invitation.to or invitation.target))))
        fields.add("Call-ID", self._entropy.token(16))
        fields.add("CSeq", str(CSeq(1, "INVITE")))
        content = (invitation.body, invitation.content_type)
        self._complete(request, hop.transport, *content, invitation.headers)
        leg = Leg(
            id=self._entropy.uuid(),
            call_id=request.call_id,
            local_tag=tag,
            state=LegState.CALLING,
            invite=request,
        )
        leg.transaction = self._layer.request(request, route, self._user(leg), now)
        return leg

    def cancel(self, leg: Leg, headers: HeaderPairs, now: float) -> None:
        """Give up our INVITE, as soon as that is permitted."""
        if leg.cancelling is not None:
            return
        leg.cancelling = tuple(headers)
        if leg.provisional:
            self._send_cancel(leg, now)

    def offer(self, leg: Leg, body: bytes, now: float) -> None:
        """Send a re-INVITE, unless another offer is under way: that counts as 491 (§14.1)."""
        dialog = leg.dialog
        if dialog is None or leg.offering or leg.transaction or leg.unacknowledged:
            self._events.append(OfferAnswered(leg.id, 491, None))
            return
        request = dialog.request("INVITE")
        self._complete(request, dialog.transport, body, SDP, ())
        leg.offering = True
        send_in_dialog(self._layer, dialog, request, self._offer_user(leg, request), now)

    def _complete(
        self,
        request: Request,
        transport: Transport,
        body: bytes,
        content_type: str,
        headers: HeaderPairs,
    ) -> None:
        fields = request.headers
        fields.add("Contact", contact(self._settings, transport))
        fields.add("Allow", ALLOW)
        fields.add("User-Agent", self._settings.product)
        for name, value in headers:
            fields.add(name, value)
        fields.add("Content-Type", content_type)
        request.body = body

    def _user(self, leg: Leg) -> TransactionUser:
        def take(outcome: Outcome, source: Hop | None, now: float) -> None:
            if isinstance(outcome, Failure):
                self._failed(leg, outcome.status, _sentence(outcome), (), now)
            elif outcome.status < 200:
                self._provisional(leg, outcome, now)
            elif outcome.status < 300:
                self._accepted(leg, outcome, source, now)
            else:
                headers = tuple(outcome.headers)
                self._failed(leg, outcome.status, outcome.reason, headers, now)

        return take

    def _provisional(self, leg: Leg, response: Response, now: float) -> None:
        if leg.state is not LegState.CALLING:
            return
        first, leg.provisional = not leg.provisional, True
        if leg.cancelling is not None:
            if first:
                self._send_cancel(leg, now)
        elif response.status > 100:
            self._events.append(Rang(leg.id, response.status, _body(response)))

    def _accepted(self, leg: Leg, response: Response, source: Hop | None, now: float) -> None:
        tag = response.to.tag or ""
        if tag in leg.acknowledgements:
            self._layer.transmit(*leg.acknowledgements[tag], leg.call_id)
            return
        if len(leg.acknowledgements) >= MAX_FORKS:
            self._layer.counters.dropped += 1
            return
        dialog = Dialog.of_response(leg.invite, response, source)
        ack = acknowledge(self._layer, dialog, dialog.local_sequence)
        if ack is None:  # the peer waits for it in vain and gives up by itself
            self._failed(leg, 502, "The answer names no Contact that can be reached", (), now)
            return
        leg.acknowledgements[tag] = ack
        if leg.state is not LegState.CALLING or leg.cancelling is not None:
            send_in_dialog(self._layer, dialog, dialog.request("BYE"), ignore, now)
            self._failed(leg, 487, "Request Terminated", (), now)
            return
        leg.dialog = dialog
        leg.state = LegState.TALKING
        leg.transaction = None
        self._events.append(Answered(leg.id, _body(response), tuple(response.headers)))

    def _failed(
        self,
        leg: Leg,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...],
        now: float,
    ) -> None:
        if leg.state is not LegState.CALLING:
            return
        self._layer.stop_alarm(self._give_up_of(leg), GIVE_UP)
        self._events.append(Refused(leg.id, status, reason, headers))
        leg.goodbye = ()  # Refused was the last word
        self._end(leg, "gone")

    def _send_cancel(self, leg: Leg, now: float) -> None:
        """§9.1: the CANCEL takes Via, From, To, Call-ID and the number from the INVITE."""
        invite, transaction = leg.invite, leg.transaction
        if transaction is None:
            return
        fields = Headers()
        for name in ("Via", "Max-Forwards", "Route", "From", "To", "Call-ID"):
            fields.extend(name, invite.headers.all(name))
        fields.add("CSeq", str(CSeq(invite.cseq.sequence, "CANCEL")))
        for name, value in leg.cancelling or ():
            fields.add(name, value)
        cancel = Request("CANCEL", invite.target, fields)
        self._layer.request(cancel, transaction.route, ignore, now)
        # A peer that never answers the INVITE after this is not waited for (§9.1).
        self._layer.alarm(self._give_up_of(leg), GIVE_UP, now + self._settings.patience)

    def _give_up_of(self, leg: Leg) -> Callable[[float], None]:
        if leg.give_up is None:

            def give_up(now: float) -> None:
                if leg.transaction:
                    self._layer.abandon(leg.transaction)
                self._failed(leg, 487, "Request Terminated", (), now)

            leg.give_up = give_up
        return leg.give_up

    def _offer_user(self, leg: Leg, request: Request) -> TransactionUser:
        acknowledged: list[tuple[bytes, Route]] = []

        def take(outcome: Outcome, _source: Hop | None, now: float) -> None:
            if isinstance(outcome, Response) and outcome.status < 200:
                return
            if isinstance(outcome, Response) and outcome.status < 300 and leg.dialog:
                if acknowledged:
                    self._layer.transmit(*acknowledged[0], leg.call_id)
                    return
                leg.dialog.refresh(outcome.contacts)
                ack = acknowledge(self._layer, leg.dialog, request.cseq.sequence)
                acknowledged.extend([ack] if ack else [])
                leg.offering = False
                if leg.state is not LegState.OVER:
                    self._events.append(OfferAnswered(leg.id, outcome.status, _body(outcome)))
                return
            leg.offering = False
            if leg.state is LegState.OVER:
                return
            if leg.dialog and (why := _fatal(outcome)):
                send_in_dialog(self._layer, leg.dialog, leg.dialog.request("BYE"), ignore, now)
                self._end(leg, why)
                return
            self._events.append(OfferAnswered(leg.id, outcome.status, None))

        return take


def _body(message: Response) -> bytes | None:
    try:
        return session_body(message)
    except SipParseError:
        return None


def _fatal(outcome: Outcome) -> EndReason | None:
    """Why a call is over when a re-INVITE comes to this end (§12.2.1.2); None if it goes on."""
    if isinstance(outcome, Failure):
        return outcome.kind
    if outcome.status == 408:
        return "timeout"
    return "gone" if outcome.status == 481 else None


def _sentence(failure: Failure) -> str:
    return "No answer" if failure.kind == "timeout" else "The peer cannot be reached"
