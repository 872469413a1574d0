"""The caller's side of an INVITE until it is answered (RFC 3261 §13.2).

Rule 1: the ACK for a 2xx is ours, and is sent again for each repetition of the 2xx (§13.2.2.4).
Rule 2: each To tag is a fork with an early dialog of its own. The first that answers 2xx is the
        call; a later one gets its ACK and a BYE.
Rule 3: CANCEL waits for a provisional response (§9.1); a 2xx that crosses it gets ACK and BYE.
Rule 4: 422 is met once or twice with the interval that the peer wants (RFC 4028 §7.3).
"""

import contextlib
from dataclasses import replace

from .abilities import contact, is_secure, present
from .attempt import Attempt
from .dialog import MAX_FORWARDS, Dialog
from .errors import SipParseError
from .events import Answered, Rang, Refused
from .in_dialog import acknowledge, say_bye
from .leg import Calling, Fork, HeaderPairs, Invitation, Leg, LegState
from .legs import Legs
from .message import Address, CSeq, Headers, Request, Response, Uri
from .offers import body_or_none
from .provisionals import acknowledge_provisional
from .session_keeper import SessionKeeper
from .session_timer import agreed, min_se, propose
from .transaction_layer import Failure, Outcome, ignore
from .transport import Hop, Route

GIVE_UP = "cancel"
MAX_FORKS = 16
"""Ends of one INVITE that are followed; no honest proxy forks wider."""
MAX_INTERVALS = 3


class InviteClient:
    """Sends INVITEs."""

    def __init__(self, legs: Legs, keeper: SessionKeeper) -> None:
        self._legs = legs
        self._keeper = keeper

    def invite(self, invitation: Invitation, now: float) -> Leg:
        """Send an INVITE. Raises SipParseError, LocalSipError for unusable URIs."""
        entropy = self._legs.entropy
        call_id, tag = entropy.token(16), entropy.token()
        calling = Calling(invitation)
        leg = Leg(
            id=entropy.uuid(),
            call_id=call_id,
            local_tag=tag,
            state=LegState.CALLING,
            invite=_opening(invitation, call_id, tag),
            authenticator=invitation.authenticator,
            contact=(invitation.contact_user, invitation.line),
            calling=calling,
        )
        leg.talk.description = invitation.body
        self._start(leg, calling, routes_of(invitation), now)
        if leg.state is not LegState.OVER:
            self._legs.add(leg)
        return leg

    def cancel(self, leg: Leg, headers: HeaderPairs, now: float) -> None:
        """Give up our INVITE, as soon as that is permitted."""
        calling = leg.calling
        if calling is None or calling.cancelling is not None:
            return
        calling.cancelling = tuple(headers)
        if calling.attempt:
            calling.attempt.settle()
        if calling.provisional:
            self._send_cancel(leg, calling, now)

    def _start(self, leg: Leg, calling: Calling, routes: list[Route], now: float) -> None:
        def build(route: Route) -> Request:
            leg.invite = self._build(leg, calling, route)
            return leg.invite

        def take(outcome: Outcome, source: Hop | None, now: float) -> None:
            self._take(leg, calling, outcome, source, now)

        attempt = Attempt(self._legs.layer, build, routes, take, authenticator=leg.authenticator)
        calling.attempt = attempt
        attempt.start(now)

    def _build(self, leg: Leg, calling: Calling, route: Route) -> Request:
        """The INVITE for one try: the same call, a new number and a new branch."""
        opening = leg.invite
        request = Request("INVITE", opening.target)
        calling.sequence += 1
        calling.provisional = False
        settings, invitation = self._legs.settings, calling.invitation
        fields = request.headers
        fields.add("Via", self._legs.layer.new_via(route))
        fields.add("Max-Forwards", MAX_FORWARDS)
        fields.extend("Route", invitation.routes)
        for name in ("From", "To", "Call-ID"):
            fields.extend(name, opening.headers.all(name))
        fields.add("CSeq", str(CSeq(calling.sequence, "INVITE")))
        secure = is_secure(opening.uri)
        hop = route.flow or route.hop
        fields.add("Contact", contact(settings, hop, *leg.contact, secure=secure))
        present(fields)
        least = max(settings.min_se_s, leg.talk.min_se_s)
        wanted = invitation.session_expires_s or settings.session_expires_s
        propose(request, max(wanted, least), least, None)
        if invitation.replaces:
            fields.add("Require", "replaces")
            fields.add("Replaces", invitation.replaces)
        fields.add("User-Agent", settings.product)
        for name, value in invitation.headers:
            fields.add(name, value)
        fields.add("Content-Type", invitation.content_type)
        request.body = invitation.body
        return request

    def _take(
        self, leg: Leg, calling: Calling, outcome: Outcome, source: Hop | None, now: float
    ) -> None:
        if isinstance(outcome, Failure):
            self._failed(leg, outcome.status, _sentence(outcome), (), now)
        elif outcome.status < 200:
            self._provisional(leg, calling, outcome, source, now)
        elif outcome.status < 300:
            self._accepted(leg, calling, outcome, source, now)
        elif outcome.status != 422 or not self._asks_longer(leg, calling, outcome, now):
            self._failed(leg, outcome.status, outcome.reason, tuple(outcome.headers), now)

    def _provisional(
        self, leg: Leg, calling: Calling, response: Response, source: Hop | None, now: float
    ) -> None:
        if leg.state is not LegState.CALLING:
            return
        first, calling.provisional = not calling.provisional, True
        told = response.status == 100 or self._ring(leg, calling, response, source, now)
        if calling.cancelling is not None:
            if first:
                self._send_cancel(leg, calling, now)
        elif told and response.status > 100:
            body = body_or_none(response)
            self._legs.events.append(Rang(leg.id, response.status, body))

    def _ring(
        self, leg: Leg, calling: Calling, response: Response, source: Hop | None, now: float
    ) -> bool:
        """Enter the early dialog of a response, and acknowledge it; False to drop it."""
        tag = response.to.tag
        if tag is None:
            return True
        fork = calling.forks.get(tag)
        if fork is None:
            if len(calling.forks) >= MAX_FORKS:
                self._legs.layer.counters.dropped += 1
                return False
            fork = self._fork(leg, calling, response, source)
            calling.forks[tag] = fork
            self._legs.enter(leg, fork.dialog)
        else:
            fork.dialog.hear(response)
        before = fork.heard
        if not acknowledge_provisional(self._legs, leg, fork, response, now):
            self._legs.layer.counters.dropped += 1
            return False
        if body := body_or_none(response):
            fork.answer = body
            fork.agreed = fork.agreed or fork.heard != before
        return True

    def _fork(self, leg: Leg, calling: Calling, response: Response, source: Hop | None) -> Fork:
        dialog = Dialog.of_response(leg.invite, response, source)
        dialog.server = calling.attempt.hop if calling.attempt else None
        return Fork(dialog)

    def _accepted(
        self, leg: Leg, calling: Calling, response: Response, source: Hop | None, now: float
    ) -> None:
        tag = response.to.tag or ""
        if tag in calling.acknowledgements:
            self._legs.layer.transmit(*calling.acknowledgements[tag], leg.call_id)
            return
        if len(calling.acknowledgements) >= MAX_FORKS:
            self._legs.layer.counters.dropped += 1
            return
        fork = calling.forks.get(tag) or self._fork(leg, calling, response, source)
        fork.dialog.relocate(response)
        ack = acknowledge(self._legs.layer, fork.dialog, leg.invite)
        if ack is None:  # the peer waits for it in vain and gives up by itself
            why = "The answer names no Contact that can be reached"
            self._failed(leg, 502, why, (), now)
            return
        calling.acknowledgements[tag] = ack
        if leg.state is not LegState.CALLING or calling.cancelling is not None:
            say_bye(self._legs, leg, fork.dialog, (), now)
            self._failed(leg, 487, "Request Terminated", (), now)
            return
        self._won(leg, calling, fork, now)
        self._keeper.start(leg, agreed(response), now)
        body = body_or_none(response) or fork.answer
        self._legs.events.append(Answered(leg.id, body, tuple(response.headers)))

    def _won(self, leg: Leg, calling: Calling, fork: Fork, now: float) -> None:
        """One fork is the call; a late 2xx of another still comes here."""
        for other in calling.forks.values():
            if other is not fork:
                self._legs.leave(other.dialog)
        calling.forks.clear()
        self._legs.stop_alarm(leg, GIVE_UP)
        leg.dialog, leg.state = fork.dialog, LegState.TALKING
        self._legs.enter(leg, fork.dialog)

    def _asks_longer(self, leg: Leg, calling: Calling, response: Response, now: float) -> bool:
        """Ask again with the session interval that the peer wants; False if that is no use."""
        with contextlib.suppress(SipParseError):
            least = min_se(response)
            calling.refused_intervals += 1
            again = calling.refused_intervals < MAX_INTERVALS and calling.cancelling is None
            attempt = calling.attempt
            if least > leg.talk.min_se_s and again and attempt and leg.state is LegState.CALLING:
                leg.talk.min_se_s = least
                self._start(leg, calling, [attempt.transaction.route], now)
                return True
        return False

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
        heard = bool(headers) or status == 487  # a response has headers, our own word has none
        self._legs.events.append(Refused(leg.id, status, reason, headers, heard))
        self._legs.forget(leg, now)

    def _send_cancel(self, leg: Leg, calling: Calling, now: float) -> None:
        """§9.1: the CANCEL takes Via, From, To, Call-ID and the number from the INVITE."""
        attempt = calling.attempt
        if attempt is None:
            return
        invite, transaction = attempt.request, attempt.transaction
        fields = Headers()
        for name in ("Via", "Max-Forwards", "Route", "From", "To", "Call-ID"):
            fields.extend(name, invite.headers.all(name))
        fields.add("CSeq", str(CSeq(invite.cseq.sequence, "CANCEL")))
        for name, value in calling.cancelling or ():
            fields.add(name, value)
        self._legs.layer.request(
            Request("CANCEL", invite.target, fields), transaction.route, ignore, now
        )

        def give_up(at: float) -> None:
            self._legs.layer.abandon(transaction)
            self._failed(leg, 487, "Request Terminated", (), at)

        # A peer that never answers the INVITE after this is not waited for (§9.1).
        self._legs.alarm(leg, GIVE_UP, now + self._legs.settings.patience, give_up)


def routes_of(invitation: Invitation) -> list[Route]:
    """Where an INVITE is tried, in turn. Raises SipParseError, LocalSipError."""
    if invitation.targets:
        return [Route(hop) for hop in invitation.targets]
    first = Address.parse(invitation.routes[0]).uri if invitation.routes else None
    uri = first or Uri.parse(invitation.target)
    return [Route(Hop.of_uri(uri, invitation.transport or "udp"))]


def _opening(invitation: Invitation, call_id: str, tag: str) -> Request:
    """What every try of an INVITE has in common. Raises SipParseError."""
    uri = Uri.parse(invitation.target)
    caller = Address(Uri.parse(invitation.from_uri), invitation.from_name)
    request = Request("INVITE", str(replace(uri, headers="")))
    request.headers.add("From", str(caller.tagged(tag)))
    callee = Uri.parse(invitation.to or invitation.target)
    request.headers.add("To", str(Address(replace(callee, headers=""))))
    request.headers.add("Call-ID", call_id)
    return request


def _sentence(failure: Failure) -> str:
    if failure.kind == "timeout":
        return "No answer"
    return (
        f"The peer cannot be reached: {failure.why}" if failure.why else "The peer is not reached"
    )
