"""Transfers: REFER and the NOTIFYs that tell how it goes (RFC 3515, RFC 4488), both ways.

Rule 1: a REFER makes a subscription that ends with the final status, or when its time is over.
Rule 2: `Refer-Sub: false`, agreed to by both, makes none.
Rule 3: a referral lives no longer than its leg; a NOTIFY after that is answered 481 and counted.
"""

import re
from urllib.parse import unquote

from .dialog import Dialog
from .errors import SipParseError
from .events import ReferProgress, Referred
from .in_dialog import send_in_dialog
from .leg import HeaderPairs, Leg, LegState, Referral
from .legs import Legs
from .message import Address, Request, Response
from .message.parameters import Parameters
from .message.reasons import PHRASES, phrase, printable
from .transaction_layer import Failure, Outcome
from .transport import Hop, Route

SIPFRAG = "message/sipfrag"
MAX_REFERRALS = 4
"""Referrals of one leg at the same time, in each direction."""
SUBSCRIPTION_S = 180.0
_STATUS = re.compile(rb"SIP/2\.0[ \t]++([1-6][0-9][0-9])(?:[ \t]++([^\r\n]*+))?")


class Referrals:
    """Sends and takes REFERs."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    # Ours -------------------------------------------------------------------------------------

    def refer(
        self, leg: Leg, target: str, headers: HeaderPairs, subscribe: bool, now: float
    ) -> None:
        """Ask the peer to call `target`. ReferProgress follows. Raises SipParseError."""
        dialog = leg.dialog
        refer_to = str(Address.parse(f"<{target}>"))
        if dialog is None or any(one.ours for one in leg.referrals.values()):
            self._progress(leg, 491, "Request Pending", final=True)
            return
        referral = Referral("", ours=True, told=subscribe)

        def fill(request: Request, _route: Route) -> None:
            leg.referrals.pop((True, referral.id), None)
            referral.id = str(request.cseq.sequence)
            leg.referrals[True, referral.id] = referral
            request.headers.add("Refer-To", refer_to)
            request.headers.add("Referred-By", f"<{dialog.local.uri}>")
            request.headers.add("Supported", "replaces, norefersub")
            if not subscribe:
                request.headers.add("Refer-Sub", "false")
            for name, value in headers:
                request.headers.add(name, value)

        def take(outcome: Outcome, _source: Hop | None, at: float) -> None:
            self._answered(leg, referral, outcome, at)

        send_in_dialog(self._legs, leg, dialog, "REFER", take, now, fill=fill)

    def _answered(self, leg: Leg, referral: Referral, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Response) and outcome.status < 200:
            return
        if not self._lives(leg, referral):
            return  # a NOTIFY has told the end already
        if isinstance(outcome, Failure):
            why = "No answer" if outcome.kind == "timeout" else "The peer cannot be reached"
            self._over(leg, referral, outcome.status, why)
            return
        silent = (outcome.headers.first("Refer-Sub") or "").strip().lower() == "false"
        if outcome.status >= 300 or (silent and not referral.told):
            self._over(leg, referral, outcome.status, outcome.reason)
            return
        if not referral.status:
            referral.status = outcome.status
            self._progress(leg, outcome.status, outcome.reason, final=False)
            self._wait(leg, referral, now + self._legs.settings.patience)

    def take_notify(self, leg: Leg, request: Request, now: float) -> None:
        """Take a NOTIFY within a call. Raises SipParseError when it tells of no REFER of ours."""
        package, _, rest = (request.headers.first("Event") or "").partition(";")
        if package.strip().lower() != "refer":
            raise SipParseError(f"{package[:32]} is not followed here", status=489)
        referral = self._told_of(leg, Parameters.parse(f";{rest}" if rest else "").get("id"))
        state, _, rest = (request.headers.first("Subscription-State") or "").partition(";")
        if not state.strip():
            raise SipParseError("Subscription-State is missing")
        over = state.strip().lower() == "terminated"
        status, reason = self._fragment(request)
        if not status and not over:
            return
        referral.status = status or referral.status
        reason = reason or PHRASES.get(referral.status, "No status was told")
        if over or referral.status >= 200:
            self._over(leg, referral, referral.status, reason)
            return
        self._progress(leg, referral.status, reason, final=False)
        told = Parameters.parse(f";{rest}" if rest else "").get("expires") or ""
        lasts = min(float(told), SUBSCRIPTION_S) if re.fullmatch("[0-9]{1,6}", told) else None
        self._wait(leg, referral, now + (SUBSCRIPTION_S if lasts is None else lasts))

    def _told_of(self, leg: Leg, name: str | None) -> Referral:
        """The REFER of ours that a NOTIFY is about; without an id it is the only one."""
        for referral in leg.referrals.values():
            if referral.ours and name in {None, referral.id}:
                return referral
        raise SipParseError("there is no such subscription", status=481)

    def _fragment(self, request: Request) -> tuple[int, str]:
        """Status and reason of a sipfrag body, 0 without one. Raises SipParseError, 415."""
        if not request.body:
            return 0, ""
        declared = (request.headers.first("Content-Type") or "").partition(";")[0].strip().lower()
        if declared != SIPFRAG:
            raise SipParseError(f"NOTIFY of REFER holds no {SIPFRAG}", status=415)
        match = _STATUS.match(request.body)
        if match is None:
            raise SipParseError("sipfrag does not begin with a status line")
        return int(match[1]), printable((match[2] or b"").decode("utf-8", "replace"))

    def _wait(self, leg: Leg, referral: Referral, until: float) -> None:
        def fell_silent(_at: float) -> None:
            self._over(leg, referral, 408, "The peer tells no more of the transfer")

        self._legs.alarm(leg, f"refer {referral.id}", until, fell_silent)

    # Theirs -----------------------------------------------------------------------------------

    def take_refer(self, leg: Leg, request: Request, source: Hop) -> None:
        """Take a REFER within a call; the owner decides. Raises SipParseError."""
        if leg.state not in {LegState.ANSWERED, LegState.TALKING}:
            raise SipParseError("the call is not answered", status=491)
        values = request.headers.items_of("Refer-To")
        if len(values) != 1:
            raise SipParseError(f"Refer-To stands {len(values)} times")
        target = Address.parse(values[0]).uri
        if sum(not one.ours for one in leg.referrals.values()) >= MAX_REFERRALS:
            raise SipParseError("too many transfers", status=503)
        told = (request.headers.first("Refer-Sub") or "").strip().lower() != "false"
        referral = Referral(str(request.cseq.sequence), ours=False, told=told)
        referral.transaction = self._legs.open(leg, request, source)
        leg.referrals[False, referral.id] = referral
        uri, _, headers = str(target).partition("?")
        self._legs.events.append(
            Referred(
                leg=leg.id,
                referral=referral.id,
                target=uri,
                replaces=_uri_header(headers, "replaces"),
                referred_by=request.headers.first("Referred-By"),
                told=told,
            )
        )

    def accept(self, leg: Leg, name: str, now: float) -> None:
        """Say 202, and that we are trying."""
        referral = self._undecided(leg, name)
        if referral is None or referral.transaction is None:
            return
        transaction, referral.transaction = referral.transaction, None
        response = transaction.request.response(202, to_tag=leg.local_tag)
        if not referral.told:
            response.headers.add("Refer-Sub", "false")
            leg.referrals.pop((False, name))
        self._legs.reply(leg, transaction, response, now)
        if referral.told:
            self._notify(leg, referral, 100, phrase(100), now)
            self._legs.alarm(
                leg,
                f"referral {name}",
                now + SUBSCRIPTION_S,
                lambda at: self._expire(leg, name, at),
            )

    def refuse(self, leg: Leg, name: str, status: int, now: float) -> None:
        """Answer the REFER with an error."""
        referral = self._undecided(leg, name)
        if referral is None or referral.transaction is None:
            return
        del leg.referrals[False, name]
        self._legs.layer.counters.refused[status] += 1
        response = referral.transaction.request.response(status, to_tag=leg.local_tag)
        self._legs.reply(leg, referral.transaction, response, now)

    def tell(self, leg: Leg, name: str, status: int, reason: str, now: float) -> None:
        """Tell the peer how the call that it asked for goes; a final status is the last."""
        referral = leg.referrals.get((False, name))
        if referral is None or referral.transaction is not None:
            self._legs.layer.counters.late_verbs += 1
            return
        self._notify(leg, referral, status, reason, now)

    def _undecided(self, leg: Leg, name: str) -> Referral | None:
        referral = leg.referrals.get((False, name))
        if referral is None or referral.transaction is None:
            self._legs.layer.counters.late_verbs += 1
            return None
        return referral

    def _expire(self, leg: Leg, name: str, now: float) -> None:
        referral = leg.referrals.get((False, name))
        if referral:
            status = referral.status
            self._notify(leg, referral, status, phrase(status), now, why="timeout")

    def _notify(
        self, leg: Leg, referral: Referral, status: int, reason: str, now: float,
        why: str | None = None,
    ) -> None:  # fmt: skip
        dialog: Dialog | None = leg.dialog
        if dialog is None:
            return
        referral.status = status
        ended = why or ("noresource" if status >= 200 else None)
        state = f"terminated;reason={ended}" if ended else f"active;expires={SUBSCRIPTION_S:.0f}"
        if ended:
            self._drop(leg, referral)

        def fill(request: Request, _route: Route) -> None:
            request.headers.add("Event", f"refer;id={referral.id}")
            request.headers.add("Subscription-State", state)
            request.headers.add("Content-Type", f"{SIPFRAG};version=2.0")
            request.body = f"SIP/2.0 {status} {printable(reason)}\r\n".encode()

        def take(outcome: Outcome, _source: Hop | None, _at: float) -> None:
            if outcome.status >= 300:  # the peer does not follow it any longer
                self._drop(leg, referral)

        send_in_dialog(self._legs, leg, dialog, "NOTIFY", take, now, fill=fill)

    # Both -------------------------------------------------------------------------------------

    def _lives(self, leg: Leg, referral: Referral) -> bool:
        return leg.referrals.get((referral.ours, referral.id)) is referral

    def _drop(self, leg: Leg, referral: Referral) -> None:
        if self._lives(leg, referral):
            del leg.referrals[referral.ours, referral.id]
            kind = "refer" if referral.ours else "referral"
            self._legs.stop_alarm(leg, f"{kind} {referral.id}")

    def _over(self, leg: Leg, referral: Referral, status: int, reason: str) -> None:
        self._drop(leg, referral)
        self._progress(leg, status, reason, final=True)

    def _progress(self, leg: Leg, status: int, reason: str, *, final: bool) -> None:
        if leg.state is not LegState.OVER:
            self._legs.events.append(ReferProgress(leg.id, status, reason, final))


def _uri_header(headers: str, name: str) -> str | None:
    """The unescaped value of one header that stands in a URI (RFC 3261 §19.1.1)."""
    for pair in headers.split("&"):
        key, equals, value = pair.partition("=")
        if equals and unquote(key).lower() == name:
            return unquote(value)
    return None
