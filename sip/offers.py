"""Offers within a dialog: re-INVITE and UPDATE, both ways (RFC 3261 §14, RFC 3311, RFC 6337).

Rule 1: one offer at a time. Theirs during ours is refused 491; theirs during another of theirs 500.
Rule 2: ours that meets 491 is sent again by itself: after 2.1 to 4 s if the Call-ID is ours, else
        within 2 s (RFC 3261 §14.1).
Rule 3: 408 and 481, and silence, end the call; any other refusal leaves it as it was (§14.1).
Rule 4: a refresh of the session repeats the last description unchanged, or carries none.
"""

from dataclasses import dataclass
from typing import Literal

from .abilities import contact, is_secure, present
from .answers import Answers, describe
from .dialog import Dialog
from .errors import SipParseError
from .events import EndReason, OfferAnswered, Offered
from .in_dialog import acknowledge, say_bye, send_in_dialog
from .leg import HeaderPairs, Leg, LegState
from .legs import Legs
from .message import Request, Response
from .message.body import SDP, session_body
from .session_keeper import SessionKeeper
from .session_timer import SessionTimer, agreed, check_interval, grant, min_se, propose
from .transaction_layer import Failure, Outcome
from .transport import Hop, Route

Method = Literal["INVITE", "UPDATE"]

RETRY = "offer"
MAX_TRIES = 8
OWNER_WAIT_S, OTHER_WAIT_S, STEP_S = 2.1, 0.0, 0.01
OWNER_STEPS, OTHER_STEPS = 191, 201
BUSY_S = 0.5
"""Pause before an offer that waits looks again whether the way is free."""
SOON = frozenset(map(str, range(11)))
"""Values of Retry-After by which a peer asks for the offer again (RFC 3261 §14.2)."""


@dataclass(eq=False, slots=True)
class Proposal:
    """One request of ours that changes or refreshes a session, through its retries."""

    leg: Leg
    dialog: Dialog
    method: Method
    body: bytes | None
    refresh: bool = False
    """Our own doing: the owner is told no more than the peer's description."""
    tries: int = 0
    acknowledgement: tuple[bytes, Route] | None = None
    request: Request | None = None
    """As it was sent last."""


class Offers:
    """Sends and takes offers of legs whose first offer is answered."""

    def __init__(self, legs: Legs, answers: Answers) -> None:
        self._legs = legs
        self._answers = answers
        self.keeper = SessionKeeper(legs, self._refresh)

    # Ours -------------------------------------------------------------------------------------

    def offer(self, leg: Leg, body: bytes, method: Method | None, now: float) -> None:
        """Send an offer; one that nothing can be offered in now counts as 491.

        By re-INVITE in an answered call, else by UPDATE.
        """
        talking = leg.state is LegState.TALKING
        chosen: Method = method or ("INVITE" if talking else "UPDATE")
        dialog = negotiable(leg)
        able = talking if chosen == "INVITE" else dialog is not None and dialog.takes("UPDATE")
        if dialog is None or not able or busy(leg):
            self._legs.events.append(OfferAnswered(leg.id, 491, None))
            return
        self._drop_retry(leg)
        self._send(Proposal(leg, dialog, chosen, body), now)

    def _refresh(self, leg: Leg, now: float) -> None:
        dialog = leg.dialog
        if dialog is None or leg.state is not LegState.TALKING or busy(leg):
            self.keeper.try_again(leg, now)
        elif dialog.takes("UPDATE") or leg.talk.description is None:
            self._send(Proposal(leg, dialog, "UPDATE", None, refresh=True), now)
        else:
            self._send(Proposal(leg, dialog, "INVITE", leg.talk.description, refresh=True), now)

    def _send(self, proposal: Proposal, now: float) -> None:
        leg, talk, settings = proposal.leg, proposal.leg.talk, self._legs.settings
        if proposal.body is not None:
            talk.offering = proposal.method

        def fill(request: Request, route: Route) -> None:
            proposal.request = request
            secure = is_secure(proposal.dialog.remote_target)
            here = route.flow or route.hop
            request.headers.add("Contact", contact(settings, here, *leg.contact, secure=secure))
            present(request.headers)
            if talk.timer:
                least = max(settings.min_se_s, talk.min_se_s)
                interval = max(talk.timer.interval_s, least)
                propose(request, interval, least, talk.timer.ours)
            if proposal.body is not None:
                request.headers.add("Content-Type", SDP)
                request.body = proposal.body

        def take(outcome: Outcome, _source: Hop | None, now: float) -> None:
            self._take_outcome(proposal, outcome, now)

        send_in_dialog(self._legs, leg, proposal.dialog, proposal.method, take, now, fill=fill)

    def _take_outcome(self, proposal: Proposal, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Response) and outcome.status < 300:
            if outcome.status >= 200:
                self._taken(proposal, outcome, now)
            return
        leg, dialog = proposal.leg, proposal.dialog
        if proposal.body is not None:
            leg.talk.offering = None
        if leg.state is LegState.OVER:
            return
        if leg.state is LegState.TALKING and (why := _fatal(outcome)):
            say_bye(self._legs, leg, dialog, (), now)
            self._legs.end(leg, why, now)
        elif not self._tries_again(proposal, outcome, now):
            self._refused(proposal, outcome.status, now)

    def _taken(self, proposal: Proposal, response: Response, now: float) -> None:
        leg, dialog, request = proposal.leg, proposal.dialog, proposal.request
        if proposal.acknowledgement:  # a 2xx that came again
            self._legs.layer.transmit(*proposal.acknowledgement, leg.call_id)
            return
        dialog.refresh(response.contacts)
        dialog.hear(response)
        if proposal.method == "INVITE" and request:
            proposal.acknowledgement = acknowledge(self._legs.layer, dialog, request)
        if proposal.body is not None:
            leg.talk.offering = None
            leg.talk.description = proposal.body
        if leg.state is LegState.OVER:
            return
        if leg.state is LegState.TALKING:
            self._refreshed(leg, response, now)
        body = body_or_none(response)
        if proposal.body is not None and (body or not proposal.refresh):
            self._legs.events.append(OfferAnswered(leg.id, response.status, body))

    def _refreshed(self, leg: Leg, response: Response, now: float) -> None:
        """A 2xx to our request restarts the timer; a peer that says nothing leaves it to us."""
        before = leg.talk.timer
        timer = agreed(response)
        if timer is None and before is not None:
            timer = SessionTimer(before.interval_s, ours=True)
        self.keeper.start(leg, timer, now)

    def _tries_again(self, proposal: Proposal, outcome: Outcome, now: float) -> bool:
        """Whether our request goes out again: later after 491, at once in another form."""
        proposal.tries += 1
        if isinstance(outcome, Failure) or proposal.tries >= MAX_TRIES:
            return False
        leg, talk = proposal.leg, proposal.leg.talk
        if (wait := self._pause(leg, outcome)) is not None:
            self._wait(proposal, now + wait)
            return True
        if outcome.status == 422 and (least := _min_se(outcome)) > talk.min_se_s:
            talk.min_se_s = least
        elif outcome.status in {405, 501} and proposal.refresh and proposal.method == "UPDATE":
            proposal.dialog.allows = (proposal.dialog.allows or frozenset()) - {"UPDATE"}
            if talk.description is None:
                return False
            proposal.method, proposal.body = "INVITE", talk.description
        else:
            return False
        if busy(leg):
            self._wait(proposal, now + BUSY_S)
        else:
            self._send(proposal, now)
        return True

    def _pause(self, leg: Leg, response: Response) -> float | None:
        """How long to wait before the same request is sent again, seconds; None: it is not."""
        if response.status == 500:  # RFC 3311 §5.3: the peer says when its own offer is answered
            told = response.headers.first("Retry-After") or ""
            return float(told) if told in SOON else None
        if response.status != 491:
            return None
        least, steps = (OWNER_WAIT_S, OWNER_STEPS) if leg.ours else (OTHER_WAIT_S, OTHER_STEPS)
        return least + STEP_S * (self._legs.entropy.integer(32) % steps)

    def _wait(self, proposal: Proposal, until: float) -> None:
        leg = proposal.leg

        def again(at: float) -> None:
            leg.talk.retry = None
            proposal.dialog = leg.dialog or proposal.dialog  # an early one may have been lost
            if busy(leg):
                self._wait(proposal, at + BUSY_S)
            else:
                self._send(proposal, at)

        leg.talk.retry = again
        self._legs.alarm(leg, RETRY, until, again)

    def _drop_retry(self, leg: Leg) -> None:
        leg.talk.retry = None
        self._legs.stop_alarm(leg, RETRY)

    def _refused(self, proposal: Proposal, status: int, now: float) -> None:
        if proposal.refresh:
            self.keeper.try_again(proposal.leg, now)
        else:
            self._legs.events.append(OfferAnswered(proposal.leg.id, status, None))

    # Theirs -----------------------------------------------------------------------------------

    def take_invite(
        self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float
    ) -> None:
        """Take a re-INVITE. Raises SipParseError with the status of a refusal."""
        if leg.talk.asked is not None or leg.state is LegState.INVITED:
            raise SipParseError("another INVITE waits for its answer", status=500)
        if leg.talk.offering or leg.unacknowledged or leg.state is LegState.CALLING:
            raise SipParseError("another offer is under way", status=491)
        check_interval(request, self._legs.settings.min_se_s)
        body = session_body(request)
        transaction = self._legs.open(leg, request, source)
        self._moved(dialog, request)
        self._legs.reply(leg, transaction, request.response(100), now)
        leg.talk.asked = transaction
        self._legs.events.append(Offered(leg.id, body))

    def take_update(
        self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float
    ) -> None:
        """Take an UPDATE; without a description it is answered at once. Raises SipParseError."""
        check_interval(request, self._legs.settings.min_se_s)
        body = session_body(request)
        if body is not None:
            self._check_update(leg)
        transaction = self._legs.open(leg, request, source)
        self._moved(dialog, request)
        if body is None:
            response = self._answers.response(leg, transaction, 200)
            self._grant(leg, request, response, now)
            self._legs.reply(leg, transaction, response, now)
            return
        leg.talk.asked = transaction
        self._legs.events.append(Offered(leg.id, body))

    def take_prack(self, leg: Leg, request: Request, source: Hop, body: bytes) -> None:
        """Take a PRACK that carries a new offer (RFC 3262 §5)."""
        if leg.talk.asked is not None:
            raise SipParseError("another offer waits for its answer", status=500)
        leg.talk.asked = self._legs.open(leg, request, source)
        self._legs.events.append(Offered(leg.id, body))

    def accept(self, leg: Leg, body: bytes, now: float) -> None:
        """Answer the peer's offer with 200."""
        asked, leg.talk.asked = leg.talk.asked, None
        if asked is None:
            self._legs.layer.counters.late_verbs += 1
            return
        response = self._answers.response(leg, asked, 200)
        self._grant(leg, asked.request, response, now)
        describe(response, body)
        leg.talk.description = body
        if asked.request.method == "INVITE":
            self._answers.send(leg, asked, response, now)
        else:
            self._legs.reply(leg, asked, response, now)

    def refuse(
        self, leg: Leg, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Answer the peer's offer with an error."""
        asked, leg.talk.asked = leg.talk.asked, None
        if asked is None:
            self._legs.layer.counters.late_verbs += 1
            return
        self._legs.layer.counters.refused[status] += 1
        response = self._answers.response(leg, asked, status, reason, headers)
        self._legs.reply(leg, asked, response, now)

    def _check_update(self, leg: Leg) -> None:
        """RFC 3311 §5.2."""
        unanswered = leg.state is LegState.INVITED and negotiable(leg) is None
        if leg.talk.asked is not None or unanswered:
            raise SipParseError("another offer waits for its answer", status=500)
        calling = leg.state is LegState.CALLING and negotiable(leg) is None
        waits = leg.unacknowledged is not None and leg.unacknowledged.offered
        if leg.talk.offering or calling or waits:
            raise SipParseError("another offer is under way", status=491)

    def _moved(self, dialog: Dialog, request: Request) -> None:
        dialog.refresh(request.contacts)
        dialog.hear(request)

    def _grant(self, leg: Leg, request: Request, response: Response, now: float) -> None:
        if request.method == "PRACK":
            return
        wanted = self._legs.settings.session_expires_s
        timer = grant(request, response, wanted, leg.talk.timer)
        if leg.state in {LegState.ANSWERED, LegState.TALKING}:
            self.keeper.start(leg, timer, now)


def negotiable(leg: Leg) -> Dialog | None:
    """The dialog in which the first offer is answered, so that another can be made."""
    match leg.state:
        case LegState.TALKING | LegState.ANSWERED:
            return leg.dialog
        case LegState.INVITED:
            called = leg.called
            done = called is not None and called.described and called.unacknowledged is None
            return leg.dialog if done else None
        case LegState.CALLING if leg.calling:
            forks = [fork.dialog for fork in leg.calling.forks.values() if fork.agreed]
            return forks[-1] if forks else None
        case _:
            return None


def busy(leg: Leg) -> bool:
    """Whether an offer or its acknowledgement is under way, from either side."""
    return bool(leg.talk.offering or leg.talk.asked or leg.unacknowledged)


def body_or_none(message: Request | Response) -> bytes | None:
    """The description in a message; what cannot be read is not there."""
    try:
        return session_body(message)
    except SipParseError:
        return None


def _min_se(response: Response) -> int:
    try:
        return min_se(response)
    except SipParseError:
        return 0


def _fatal(outcome: Outcome) -> EndReason | None:
    """Why a call is over when a re-INVITE comes to this end (§12.2.1.2); None if it goes on."""
    if isinstance(outcome, Failure):
        return outcome.kind
    if outcome.status == 408:
        return "timeout"
    return "gone" if outcome.status == 481 else None
