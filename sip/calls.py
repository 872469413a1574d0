"""The owner's verbs on calls.

A verb on a leg that is over, or not in the state for it, does nothing but count: signalling races
are normal.
"""

from .digest import Authenticator
from .errors import LocalSipError
from .events import Ended, InformAnswered
from .in_dialog import say_bye, send_in_dialog
from .invite_client import InviteClient
from .invite_server import InviteServer
from .leg import HeaderPairs, Invitation, Leg, LegState
from .legs import Legs
from .message import Request, Response
from .offers import Method, Offers
from .replaces import value_of
from .transaction_layer import Outcome
from .transport import Hop, Route


class Calls:
    """Sets up, changes and ends calls. Every verb but `invite` names its leg."""

    def __init__(
        self, legs: Legs, client: InviteClient, server: InviteServer, offers: Offers
    ) -> None:
        self._legs = legs
        self._client = client
        self._server = server
        self._offers = offers

    def invite(self, invitation: Invitation, now: float) -> str:
        """Call somebody; gives the leg. Raises SipParseError, LocalSipError for unusable URIs."""
        return self._client.invite(invitation, now).id

    def call_id(self, leg: str) -> str:
        """The Call-ID of a leg. Raises LocalSipError when it is over."""
        known = self._legs.get(leg)
        if known is None:
            raise LocalSipError(f"the leg {leg} is over")
        return known.call_id

    def replaces(self, leg: str) -> str:
        """The Replaces value that names this call to its peer (RFC 3891).

        For the `?Replaces=` of an attended transfer. Raises LocalSipError without a dialog.
        """
        known = self._legs.get(leg)
        if known is None or known.dialog is None:
            raise LocalSipError(f"the leg {leg} is not answered")
        return value_of(known.dialog)

    def authenticate(self, leg: str, authenticator: Authenticator) -> None:
        """Say with what to answer challenges in a call that came in.

        For a call of ours its Invitation says so.
        """
        if known := self._legs.get(leg):
            known.authenticator = authenticator

    def ring(
        self,
        leg: str,
        status: int,
        now: float,
        body: bytes | None = None,
        headers: HeaderPairs = (),
    ) -> None:
        """Send a provisional response: 180 for ringing, 183 with a body for early media.

        Reliably if the peer demands it, or permits it and there is a body (RFC 3262).
        """
        if known := self._in(leg, LegState.INVITED):
            self._server.ring(known, status, body, headers, now)

    def answer(self, leg: str, body: bytes, headers: HeaderPairs, now: float) -> None:
        """Answer an INVITE with 200; the call that it replaces ends."""
        known = self._in(leg, LegState.INVITED)
        if known is None:
            return
        self._server.answer(known, body, headers, now)
        replaced = self._legs.get(known.replaces) if known.replaces else None
        if replaced:
            self._replace(replaced, now)

    def refuse(
        self, leg: str, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Answer an INVITE with an error."""
        if known := self._in(leg, LegState.INVITED):
            self._server.refuse(known, status, reason, headers, now)

    def cancel(self, leg: str, headers: HeaderPairs, now: float) -> None:
        """Give up our INVITE; the end is told as Refused."""
        if known := self._in(leg, LegState.CALLING):
            self._client.cancel(known, headers, now)

    def bye(self, leg: str, headers: HeaderPairs, now: float) -> None:
        """Hang up an answered call."""
        known = self._legs.get(leg)
        if known and known.called and known.called.answer:  # our 200 is still held back
            self._server.refuse(known, 480, None, headers, now)
            return
        known = self._in(leg, LegState.ANSWERED, LegState.TALKING)
        if known is None or known.dialog is None:
            return
        if known.state is LegState.ANSWERED:
            known.goodbye = tuple(headers)  # §15: not before the ACK
            return
        say_bye(self._legs, known, known.dialog, headers, now)
        self._legs.forget(known, now)

    def offer(self, leg: str, body: bytes, now: float, method: Method | None = None) -> None:
        """Send a re-INVITE, or before the answer an UPDATE; OfferAnswered follows.

        An offer that meets one of the peer's (491) is sent again by itself.
        """
        if known := self._in(leg, LegState.TALKING, LegState.INVITED, LegState.CALLING):
            self._offers.offer(known, body, method, now)

    def accept_offer(self, leg: str, body: bytes, now: float) -> None:
        """Answer the peer's offer with 200."""
        if known := self._in(leg, LegState.TALKING, LegState.INVITED, LegState.CALLING):
            self._offers.accept(known, body, now)
            self._server.release(known, now)

    def refuse_offer(
        self, leg: str, status: int, reason: str | None, headers: HeaderPairs, now: float
    ) -> None:
        """Answer the peer's offer with an error; the call goes on as it was."""
        if known := self._in(leg, LegState.TALKING, LegState.INVITED, LegState.CALLING):
            self._offers.refuse(known, status, reason, headers, now)
            self._server.release(known, now)

    def inform(self, leg: str, content_type: str, body: bytes, now: float) -> None:
        """Send an INFO; InformAnswered follows."""
        known = self._in(leg, LegState.ANSWERED, LegState.TALKING)
        if known is None or known.dialog is None:
            return

        def fill(request: Request, _route: Route) -> None:
            request.headers.add("Content-Type", content_type)
            request.body = body

        def take(outcome: Outcome, _source: Hop | None, _at: float) -> None:
            if not isinstance(outcome, Response) or outcome.status >= 200:
                self._legs.events.append(InformAnswered(leg, outcome.status))

        send_in_dialog(self._legs, known, known.dialog, "INFO", take, now, fill=fill)

    def end_all(self, now: float) -> None:
        """Say goodbye to every peer."""
        for leg in self._legs.ids:
            known = self._legs.get(leg)
            match known.state if known else LegState.OVER:
                case LegState.INVITED:
                    self.refuse(leg, 503, None, (), now)
                case LegState.CALLING:
                    self.cancel(leg, (), now)
                case LegState.OVER:
                    pass
                case _:
                    self.bye(leg, (), now)

    def _replace(self, leg: Leg, now: float) -> None:
        """Another call took this one's place (RFC 3891 §3)."""
        if leg.state is LegState.CALLING:
            self._client.cancel(leg, (), now)
        elif leg.state is LegState.ANSWERED:
            self._legs.events.append(Ended(leg.id, "replaced"))
            leg.goodbye = ()
        elif leg.dialog:
            say_bye(self._legs, leg, leg.dialog, (), now)
            self._legs.end(leg, "replaced", now)

    def _in(self, leg: str, *states: LegState) -> Leg | None:
        known = self._legs.get(leg)
        if known is None or known.state not in states:
            self._legs.layer.counters.late_verbs += 1
            return None
        return known
