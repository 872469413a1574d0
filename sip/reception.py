"""Where every message of a peer comes in: who may speak, what is refused, and who serves the rest.

Rule 1: nothing is kept of a request that is refused out of a dialog; its repetition is judged anew.
Rule 2: a new request is put to the doorkeeper before it is looked into. Whom it ignores gets not a
        byte, and whom it does not know gets none either for bytes that cannot be read, for dialogs
        that are not there and for transactions that are not there.
"""

from .dialog import Dialog
from .dialog_requests import DialogRequests
from .digest_server import DigestServer
from .doorkeeper import Account, Admitted, Challenged, Doorkeeper, Ignored, Turned
from .errors import SipParseError
from .events import Invited
from .invite_server import InviteServer
from .leg import Leg, LegState
from .legs import Legs
from .message import Request, Response, parse_message
from .message.body import session_body
from .refusals import check_accept, check_acceptable, refusal, turned_away
from .replaces import replaced_leg
from .stateless import StatelessAnswers
from .transport import Hop


class Turn(SipParseError):
    """A known peer that is turned away, with the headers of the answer."""

    def __init__(self, why: str, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        super().__init__(why, status=status)
        self.headers = headers


class Stranger(SipParseError):
    """A peer that is not answered; the message names the nearest match."""


class Reception:
    """Takes messages in."""

    def __init__(
        self, legs: Legs, doorkeeper: Doorkeeper, server: InviteServer, dialogs: DialogRequests
    ) -> None:
        self._legs = legs
        self._layer = legs.layer
        self._stateless = StatelessAnswers(legs.layer, legs.entropy)
        self._doorkeeper = doorkeeper
        self._server = server
        self._dialogs = dialogs
        self._digest = DigestServer(legs.entropy)
        self.closing = False

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one datagram, or one message of a stream."""
        counters = self._layer.counters
        counters.received += 1
        try:
            message = parse_message(data)
        except SipParseError as error:
            counters.malformed += 1
            self._refuse_unreadable(error, source)
            return
        if isinstance(message, Response):
            self._receive_response(message, source, now)
        else:
            self._receive_request(message, source, now)

    def _receive_response(self, response: Response, source: Hop, now: float) -> None:
        counters = self._layer.counters
        try:
            response.check()
        except SipParseError as error:
            counters.malformed += 1
            counters.note_refusal(source.host, "response", 0, str(error))
            return
        if not self._layer.receive_response(response, source, now):
            counters.dropped += 1

    def _receive_request(self, request: Request, source: Hop, now: float) -> None:
        try:
            request.stamp_via(source.host, source.port)
            if request.version != "2.0":
                raise SipParseError(f"SIP version {request.version}, expected 2.0", status=505)
            request.check()
        except SipParseError as error:
            self._layer.counters.malformed += 1
            self._refuse_if_known(request, source, error)
            return
        if self._layer.absorb(request, now):
            return
        if request.method == "ACK":
            if not self._dialogs.take_ack(request, now):
                self._layer.counters.dropped += 1
            return
        self._take(request, source, now)

    def _take(self, request: Request, source: Hop, now: float) -> None:
        """Take a new request: in a transaction, in a dialog, or out of the blue."""
        found = self._legs.of_request(request)
        try:
            if request.method == "CANCEL":
                self._take_cancel(request, source, now)
            elif request.to.tag is None:
                self._take_new(request, source, now)
            elif found is not None:
                self._take_in_dialog(*found, request, source, now)
            else:
                raise SipParseError("there is no such call", status=481)
        except Stranger as error:
            self._ignore(request.method, source, str(error))
        except SipParseError as error:
            if request.to.tag is None and request.method != "CANCEL":
                self._refuse(request, source, error)
            else:
                self._refuse_if_known(request, source, error)

    # Out of the blue --------------------------------------------------------------------------

    def _take_new(self, request: Request, source: Hop, now: float) -> None:
        party = self._admit(request, source, now)
        if self._layer.came_before(request):
            raise SipParseError("this request reached us before", status=482)
        check_acceptable(request, source)
        if request.method == "INVITE":
            self._take_invite(request, source, party, now)
        elif request.method == "OPTIONS":  # keeps nothing: a flood of them costs no memory
            response = self._dialogs.consent(request, self._stateless.tag(request))
            self._stateless.send(request, response, source)
        elif request.method in {"REFER", "MESSAGE"}:
            raise SipParseError(f"{request.method} is served within a call only", status=405)
        else:
            raise SipParseError("there is no such call", status=481)

    def _admit(self, request: Request, source: Hop, now: float) -> str | None:
        """Put a request to the doorkeeper; gives the party. Raises Stranger, Turn."""
        match self._doorkeeper.judge(request, source):
            case Admitted(party):
                return party
            case Ignored(why):
                raise Stranger(why)
            case Turned(status, why, _, retry_after_s):
                wait = (("Retry-After", str(retry_after_s)),) if retry_after_s else ()
                raise Turn(why, status, wait)
            case Challenged() as challenged:
                return self._prove(request, source, challenged, now)

    def _prove(
        self, request: Request, source: Hop, challenged: Challenged, now: float
    ) -> str | None:
        """Whether a peer proves to be an account (RFC 3261 §22). Raises Turn, 401."""
        realm = challenged.realm
        found = self._digest.verify(request, realm, challenged.account_of, now)
        if isinstance(found, Account):
            return challenged.party
        fields = self._digest.challenge(realm, now, stale=found == "stale")
        why = f"the digest for {realm} is {found}"
        if found in ("wrong", "unknown", "unreadable"):
            self._doorkeeper.disbelieved(request, source, challenged.party, why)
        raise Turn(why, 401, tuple(("WWW-Authenticate", field) for field in fields))

    def _take_invite(self, request: Request, source: Hop, party: str | None, now: float) -> None:
        if self.closing:
            raise SipParseError("going out of service", status=503)
        settings = self._legs.settings
        if len(self._legs) >= settings.max_dialogs:
            raise SipParseError("too many calls", status=503)
        if len(self._layer) >= settings.max_transactions:
            raise SipParseError("too many transactions", status=503)
        check_accept(request)
        body = session_body(request)
        replaced = replaced_leg(request, self._legs)
        leg = self._server.open(request, source, now)
        leg.replaces = replaced.id if replaced else None
        self._legs.events.append(
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
                party=party,
                replaces=leg.replaces,
            )
        )

    # Within -----------------------------------------------------------------------------------

    def _take_in_dialog(
        self, leg: Leg, dialog: Dialog, request: Request, source: Hop, now: float
    ) -> None:
        try:
            if len(self._layer) >= self._legs.settings.max_transactions and request.method != "BYE":
                raise SipParseError("too many transactions", status=503)
            check_acceptable(request, source)
        except SipParseError as error:
            self._refuse(request, source, error)
            return
        try:
            self._dialogs.take(leg, dialog, request, source, now)
        except SipParseError as error:
            # Kept, unlike other refusals: the repeated request would be judged by a CSeq that
            # it has used up itself.
            response = self._refusal(request, source, error, leg.local_tag)
            self._layer.respond(self._layer.accept(request, source), response, now)

    def _take_cancel(self, request: Request, source: Hop, now: float) -> None:
        invite = self._layer.invite_of(request)
        if invite is None:
            raise SipParseError("there is no such transaction", status=481)
        leg = self._legs.waiting_on(invite)
        tag = leg.local_tag if leg else self._stateless.tag(request)
        response = self._dialogs.consent(request, tag)
        self._layer.respond(self._layer.accept(request, source), response, now)
        if leg is None:
            return  # answered already: the CANCEL has no effect (§9.2)
        if leg.state is LegState.INVITED:
            self._server.given_up(leg, tuple(request.headers), now)
        else:
            self._dialogs.withdraw(leg, now)

    # Refusals ---------------------------------------------------------------------------------

    def _refuse_unreadable(self, error: SipParseError, source: Hop) -> None:
        request = error.request
        if request is None:
            self._layer.counters.note_refusal(source.host, "?", 0, str(error))
            return
        try:
            request.stamp_via(source.host, source.port)
        except SipParseError:
            self._layer.counters.note_refusal(source.host, request.method, 0, str(error))
            return
        self._refuse_if_known(request, source, error)

    def _refuse_if_known(self, request: Request, source: Hop, error: SipParseError) -> None:
        if self._doorkeeper.knows(source):
            self._refuse(request, source, error)
        else:
            self._ignore(request.method, source, str(error))

    def _ignore(self, method: str, source: Hop, why: str) -> None:
        self._layer.counters.strangers += 1
        self._layer.counters.note_refusal(source.host, method, 0, why)

    def _refuse(self, request: Request, source: Hop, error: SipParseError) -> None:
        """Refuse without keeping anything; an ACK is never answered."""
        if request.method == "ACK":
            self._layer.counters.note_refusal(source.host, "ACK", 0, str(error))
            return
        response = self._refusal(request, source, error, self._stateless.tag(request))
        self._stateless.send(request, response, source)

    def _refusal(self, request: Request, source: Hop, error: SipParseError, tag: str) -> Response:
        why = str(error)
        self._layer.counters.note_refusal(source.host, request.method, error.status, why)
        settings = self._legs.settings
        if isinstance(error, Turn):
            return turned_away(request, error.status, error.headers, settings, tag)
        return refusal(request, error.status, why, settings, tag)
