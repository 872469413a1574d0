"""Our 2xx to an INVITE, kept alive until it is acknowledged (RFC 3261 §13.3.1.4).

Rule 1: a 2xx is ours to repeat, at T1 doubling to T2, until its ACK comes; the transaction only
        carries it (RFC 6026).
Rule 2: without an ACK for 64*T1 the call is over: we say BYE and tell the owner.
"""

from .abilities import contact, is_secure, present
from .in_dialog import say_bye
from .leg import HeaderPairs, Leg, PendingAnswer
from .legs import Legs
from .message import Request, Response
from .message.body import SDP
from .transaction import Transaction

RESEND = "answer"


class Answers:
    """Builds responses within a leg, and sees its 2xx through."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    def response(
        self,
        leg: Leg,
        transaction: Transaction,
        status: int,
        reason: str | None = None,
        headers: HeaderPairs = (),
    ) -> Response:
        """A response to a request of the peer that sets up or changes the session."""
        request, settings = transaction.request, self._legs.settings
        response = request.response(status, reason, to_tag=leg.local_tag)
        response.headers.extend("Record-Route", request.headers.all("Record-Route"))
        here = transaction.route.flow or transaction.route.hop
        secure = is_secure(request.uri)
        response.headers.add("Contact", contact(settings, here, *leg.contact, secure=secure))
        present(response.headers)
        response.headers.add("Server", settings.product)
        for name, value in headers:
            response.headers.add(name, value)
        return response

    def send(self, leg: Leg, transaction: Transaction, response: Response, now: float) -> None:
        """Send a 2xx to an INVITE and keep sending it."""
        settings = self._legs.settings
        leg.unacknowledged = PendingAnswer(
            transaction=transaction,
            response=response,
            sequence=transaction.request.cseq.sequence,
            offered=bool(response.body) and not transaction.request.body,
            gap=settings.t1,
            until=now + settings.patience,
        )
        self._legs.reply(leg, transaction, response, now)
        self._legs.alarm(leg, RESEND, now + settings.t1, lambda at: self._resend(leg, at))

    def acknowledged(self, leg: Leg, ack: Request) -> PendingAnswer | None:
        """An ACK for a 2xx of ours came; gives what it acknowledges, if that was waited for."""
        pending = leg.unacknowledged
        if pending is None or ack.cseq.sequence != pending.sequence:
            return None
        self._stop(leg)
        return pending

    def _stop(self, leg: Leg) -> None:
        leg.unacknowledged = None
        self._legs.stop_alarm(leg, RESEND)

    def _resend(self, leg: Leg, now: float) -> None:
        pending, settings = leg.unacknowledged, self._legs.settings
        if pending is None:
            return
        if now >= pending.until:
            self._stop(leg)
            self._give_up(leg, now)
            return
        self._legs.layer.counters.retransmissions += 1
        self._legs.layer.respond(pending.transaction, pending.response, now)
        pending.gap = min(2 * pending.gap, settings.t2)
        due = min(now + pending.gap, pending.until)
        self._legs.alarm(leg, RESEND, due, lambda at: self._resend(leg, at))

    def _give_up(self, leg: Leg, now: float) -> None:
        """No ACK came: the peer may be there all the same, so it is told (§13.3.1.4)."""
        if leg.dialog:
            say_bye(self._legs, leg, leg.dialog, leg.goodbye or (), now)
        self._legs.end(leg, "no_ack", now)


def describe(response: Response, body: bytes) -> None:
    """Put a session description into a response."""
    response.headers.add("Content-Type", SDP)
    response.body = body
