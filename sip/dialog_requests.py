"""What a peer asks for within a call (RFC 3261 §12.2.2): each request goes to who can serve it."""

from .abilities import present
from .answers import Answers
from .dialog import Dialog
from .errors import SipParseError
from .events import Confirmed, Informed
from .in_dialog import say_bye
from .invite_server import InviteServer
from .leg import Leg, LegState
from .legs import Legs
from .message import Request, Response
from .message.body import SDP
from .offers import Offers, body_or_none
from .referrals import Referrals
from .refusals import SPOKEN_TYPES
from .transport import Hop


class DialogRequests:
    """Serves requests within dialogs."""

    def __init__(
        self,
        legs: Legs,
        server: InviteServer,
        answers: Answers,
        offers: Offers,
        referrals: Referrals,
    ) -> None:
        self._legs = legs
        self._server = server
        self._answers = answers
        self._offers = offers
        self._referrals = referrals

    def take(self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float) -> None:
        """Serve a request. Raises SipParseError with the status of a refusal."""
        if not dialog.in_order(request.cseq.sequence):
            raise SipParseError("CSeq is out of order", status=500)
        match request.method:
            case "INVITE":
                self._offers.take_invite(leg, dialog, request, source, now)
            case "UPDATE":
                self._offers.take_update(leg, dialog, request, source, now)
            case "PRACK":
                self._server.take_prack(leg, request, source, now)
            case "REFER":
                self._referrals.take_refer(leg, request, source)
            case _:
                self._take_plain(leg, dialog, request, source, now)

    def take_ack(self, request: Request, now: float) -> bool:
        """Take an ACK for a 2xx of ours; False if nothing waited for it."""
        found = self._legs.of_request(request)
        if found is None:
            return False
        leg, dialog = found
        pending = self._answers.acknowledged(leg, request)
        if pending is None:
            return False
        leg.state = LegState.TALKING
        body = body_or_none(request) if pending.offered else None
        if leg.goodbye is not None:
            say_bye(self._legs, leg, dialog, leg.goodbye, now)
            self._legs.forget(leg, now)
        elif not leg.told_up or body:
            leg.told_up = True
            self._legs.events.append(Confirmed(leg.id, body))
        return True

    def withdraw(self, leg: Leg, now: float) -> None:
        """The peer cancelled its re-INVITE; the call goes on."""
        self._offers.refuse(leg, 487, None, (), now)

    def consent(self, request: Request, tag: str) -> Response:
        """A plain 200 that says what we can do (§11.2)."""
        response = request.response(200, to_tag=tag)
        present(response.headers)
        response.headers.add("Accept", SDP)
        response.headers.add("Server", self._legs.settings.product)
        return response

    def _take_plain(
        self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float
    ) -> None:
        """Serve a request that is answered at once."""
        match request.method:
            case "NOTIFY":
                self._referrals.take_notify(leg, request, now)
            case "INFO" | "MESSAGE":
                self._take_information(leg, request)
            case "BYE":
                self._peer_left(leg, dialog, request, now)
        self._consent_to(leg, request, source, now)

    def _consent_to(self, leg: Leg, request: Request, source: Hop, now: float) -> None:
        transaction = self._legs.layer.accept(request, source)
        self._legs.layer.respond(transaction, self.consent(request, leg.local_tag), now)

    def _take_information(self, leg: Leg, request: Request) -> None:
        declared = (request.headers.first("Content-Type") or "").partition(";")[0].strip().lower()
        if request.body and declared not in SPOKEN_TYPES:
            raise SipParseError(f"{request.method} of {declared[:40]} is not read", status=415)
        kind = declared if request.body else ""
        self._legs.events.append(Informed(leg.id, request.method, kind, request.body))

    def _peer_left(self, leg: Leg, dialog: Dialog, request: Request, now: float) -> None:
        headers = tuple(request.headers)
        if leg.state is LegState.INVITED:
            self._server.given_up(leg, headers, now)
        elif leg.state is LegState.CALLING and leg.calling:
            # One end of our call left before it answered: the INVITE goes on without it.
            leg.calling.forks.pop(dialog.remote.tag or "", None)
            self._legs.leave(dialog)
        else:
            self._legs.end(leg, "bye", now, headers)
