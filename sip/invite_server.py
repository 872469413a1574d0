"""The callee's side of an INVITE until it is answered (RFC 3261 §13.3, RFC 3262 §3).

What happens to its 2xx is told in `answers`; everything above 299 is the transaction's to repeat.
"""

from .answers import Answers, describe
from .dialog import Dialog
from .events import Cancelled, HeaderList, OfferAnswered
from .leg import Called, HeaderPairs, Leg, LegState
from .legs import Legs
from .message import Request
from .message.body import session_body
from .offers import Offers
from .provisionals import ReliableResponses
from .session_timer import check_interval, grant
from .transaction import Transaction
from .transport import Hop


class InviteServer:
    """Answers INVITEs."""

    def __init__(self, legs: Legs, answers: Answers, offers: Offers) -> None:
        self._legs = legs
        self._answers = answers
        self._offers = offers
        self._reliable = ReliableResponses(legs, answers, self._never_acknowledged)

    def open(self, request: Request, source: Hop, now: float) -> Leg:
        """Take a new INVITE and say 100 at once. Raises SipParseError when it leads nowhere."""
        legs = self._legs
        check_interval(request, legs.settings.min_se_s)
        tag = legs.entropy.token()
        dialog = Dialog.of_request(request, tag, source)
        leg = Leg(
            id=legs.entropy.uuid(),
            call_id=request.call_id,
            local_tag=tag,
            state=LegState.INVITED,
            invite=request,
            dialog=dialog,
        )
        transaction = legs.open(leg, request, source)
        leg.called = Called(transaction)
        legs.add(leg)
        legs.reply(leg, transaction, request.response(100), now)
        return leg

    def ring(
        self, leg: Leg, status: int, body: bytes | None, headers: HeaderPairs, now: float
    ) -> None:
        """Send a provisional response above 100."""
        if leg.called:
            self._reliable.ring(leg, leg.called, status, body, headers, now)

    def answer(self, leg: Leg, body: bytes, headers: HeaderPairs, now: float) -> None:
        """Send the 200, or keep it until the peer has acknowledged our early description."""
        called = leg.called
        if called is None:
            return
        pending = called.unacknowledged
        described = called.described and pending is not None
        if described or leg.talk.asked is not None:
            called.answer = (body, headers)
            return
        self._reliable.cease(leg)
        called.queue.clear()
        self._send_answer(leg, called, body, headers, now)

    def refuse(
        self, leg: Leg, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Send a final error; the leg is over."""
        if leg.called is None:
            return
        self._legs.layer.counters.refused[status] += 1
        transaction = leg.called.transaction
        response = self._answers.response(leg, transaction, status, reason, headers)
        self._legs.reply(leg, transaction, response, now)
        self._legs.forget(leg, now)

    def given_up(self, leg: Leg, headers: HeaderList, now: float) -> None:
        """The caller cancelled, or said BYE before our answer."""
        self.refuse(leg, 487, None, (), now)
        self._legs.events.append(Cancelled(leg.id, headers))

    def take_prack(self, leg: Leg, request: Request, source: Hop, now: float) -> None:
        """Take a PRACK. Raises SipParseError when it acknowledges nothing."""
        body = session_body(request)
        acknowledged = self._reliable.acknowledged(leg, request, now)
        ours = bool(acknowledged.response.body) and not leg.invite.body
        if body and not ours:
            self._offers.take_prack(leg, request, source, body)
            return
        transaction = self._legs.layer.accept(request, source)
        self._legs.layer.respond(transaction, request.response(200), now)
        if body:
            self._legs.events.append(OfferAnswered(leg.id, 200, body))
        self.release(leg, now)

    def release(self, leg: Leg, now: float) -> None:
        """Send the answer that was held back, if nothing holds it any longer."""
        called = leg.called
        if leg.state is LegState.INVITED and called and called.answer:
            (body, headers), called.answer = called.answer, None
            self.answer(leg, body, headers, now)

    def _send_answer(
        self, leg: Leg, called: Called, body: bytes, headers: HeaderPairs, now: float
    ) -> None:
        transaction: Transaction = called.transaction
        response = self._answers.response(leg, transaction, 200, None, headers)
        wanted = self._legs.settings.session_expires_s
        timer = grant(transaction.request, response, wanted, None)
        if not called.described:
            describe(response, body)
            leg.talk.description = body
        self._answers.send(leg, transaction, response, now)
        leg.state = LegState.ANSWERED
        self._offers.keeper.start(leg, timer, now)

    def _never_acknowledged(self, leg: Leg, now: float) -> None:
        """RFC 3262 §3: without a PRACK the INVITE is refused with a 5xx."""
        if leg.called:
            transaction = leg.called.transaction
            self._legs.layer.counters.refused[504] += 1
            self._legs.reply(leg, transaction, self._answers.response(leg, transaction, 504), now)
        self._legs.end(leg, "no_ack", now)
