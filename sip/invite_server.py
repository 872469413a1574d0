"""The callee's side of INVITE and re-INVITE (RFC 3261 §13.3, §14.2).

Rule 1: a 2xx is ours to repeat, at T1 doubling to T2, until its ACK comes; the transaction only
        carries it (§13.3.1.4, RFC 6026).
Rule 2: without an ACK for 64*T1 the call is over: we say BYE and tell the owner.
Rule 3: everything above 299 is the transaction's to repeat.
"""

from collections.abc import Callable, Sequence

from .dialog import Dialog
from .events import EndReason, SipEvent
from .in_dialog import send_in_dialog
from .leg import Leg, LegState, PendingAnswer
from .message import Request, Response
from .message.body import SDP
from .refusals import ALLOW
from .settings import UserAgentSettings
from .transaction import Transaction
from .transaction_layer import TransactionLayer, ignore
from .transport import Hop, Transport

HeaderPairs = Sequence[tuple[str, str]]

RESEND = "answer"


def contact(settings: UserAgentSettings, transport: Transport) -> str:
    """The Contact that peers reach us at."""
    suffix = ";transport=tcp" if transport == "tcp" else ""
    return f"<sip:{settings.authority}{suffix}>"


class InviteServer:
    """Answers INVITEs."""

    def __init__(
        self,
        layer: TransactionLayer,
        settings: UserAgentSettings,
        events: list[SipEvent],
        end: Callable[[Leg, EndReason], None],
    ) -> None:
        self._layer = layer
        self._settings = settings
        self._events = events
        self._end = end

    def open(self, request: Request, source: Hop, tag: str, leg_id: str, now: float) -> Leg:
        """Take a new INVITE and say 100 at once. Raises SipParseError when it leads nowhere."""
        dialog = Dialog.of_request(request, tag, source)
        transaction = self._layer.accept(request, source)
        leg = Leg(
            id=leg_id,
            call_id=request.call_id,
            local_tag=tag,
            state=LegState.INVITED,
            invite=request,
            transaction=transaction,
            dialog=dialog,
        )
        self._layer.respond(transaction, request.response(100), now)
        return leg

    def ring(self, leg: Leg, status: int, now: float) -> None:
        """Send a provisional response above 100."""
        if leg.transaction:
            self._layer.respond(leg.transaction, self._response(leg, leg.transaction, status), now)

    def answer(self, leg: Leg, body: bytes, headers: HeaderPairs, now: float) -> None:
        """Send the 200 and keep sending it."""
        self._send_answer(leg, body, headers, now)
        leg.state = LegState.ANSWERED

    def refuse(
        self, leg: Leg, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Send a final error, to the INVITE or to a re-INVITE."""
        transaction, leg.transaction = leg.transaction, None
        if transaction is None:
            self._layer.counters.late_verbs += 1
            return
        self._layer.counters.refused[status] += 1
        response = self._response(leg, transaction, status, reason, headers)
        self._layer.respond(transaction, response, now)

    def open_offer(self, leg: Leg, request: Request, source: Hop, now: float) -> None:
        """Take a re-INVITE."""
        leg.transaction = self._layer.accept(request, source)
        if leg.dialog:
            leg.dialog.refresh(request.contacts)
        self._layer.respond(leg.transaction, request.response(100), now)

    def accept_offer(self, leg: Leg, body: bytes, now: float) -> None:
        """Answer a re-INVITE with 200."""
        if leg.transaction is None:
            self._layer.counters.late_verbs += 1
            return
        self._send_answer(leg, body, (), now)

    def acknowledged(self, leg: Leg, ack: Request) -> PendingAnswer | None:
        """An ACK for a 2xx of ours came; gives what it acknowledges, if that was waited for."""
        pending = leg.unacknowledged
        if pending is None or ack.cseq.sequence != pending.sequence:
            return None
        self.stop(leg)
        return pending

    def stop(self, leg: Leg) -> None:
        """Send the 2xx no more."""
        if leg.unacknowledged:
            self._layer.stop_alarm(leg.unacknowledged.resend, RESEND)
            leg.unacknowledged = None

    def _send_answer(self, leg: Leg, body: bytes, headers: HeaderPairs, now: float) -> None:
        transaction, leg.transaction = leg.transaction, None
        if transaction is None:
            return
        response = self._response(leg, transaction, 200, None, headers)
        response.headers.add("Content-Type", SDP)
        response.body = body

        def resend(at: float) -> None:
            self._resend(leg, at)

        leg.unacknowledged = PendingAnswer(
            transaction=transaction,
            response=response,
            sequence=transaction.request.cseq.sequence,
            offered=not transaction.request.body,
            gap=self._settings.t1,
            until=now + self._settings.patience,
            resend=resend,
        )
        self._layer.respond(transaction, response, now)
        self._layer.alarm(resend, RESEND, now + self._settings.t1)

    def _resend(self, leg: Leg, now: float) -> None:
        pending = leg.unacknowledged
        if pending is None:
            return
        if now >= pending.until:
            self.stop(leg)
            self._give_up(leg, now)
            return
        self._layer.counters.retransmissions += 1
        self._layer.respond(pending.transaction, pending.response, now)
        pending.gap = min(2 * pending.gap, self._settings.t2)
        self._layer.alarm(pending.resend, RESEND, min(now + pending.gap, pending.until))

    def _give_up(self, leg: Leg, now: float) -> None:
        """No ACK came: the peer may be there all the same, so it is told (§13.3.1.4)."""
        if leg.dialog:
            bye = leg.dialog.request("BYE")
            for name, value in leg.goodbye or ():
                bye.headers.add(name, value)
            send_in_dialog(self._layer, leg.dialog, bye, ignore, now)
        self._end(leg, "no_ack")

    def _response(
        self,
        leg: Leg,
        transaction: Transaction,
        status: int,
        reason: str | None = None,
        headers: HeaderPairs = (),
    ) -> Response:
        request = transaction.request
        response = request.response(status, reason, to_tag=leg.local_tag)
        response.headers.extend("Record-Route", request.headers.all("Record-Route"))
        transport: Transport = leg.dialog.transport if leg.dialog else "udp"
        response.headers.add("Contact", contact(self._settings, transport))
        response.headers.add("Allow", ALLOW)
        response.headers.add("Server", self._settings.product)
        for name, value in headers:
            response.headers.add(name, value)
        return response
