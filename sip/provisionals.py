"""Reliable provisional responses (RFC 3262), from both sides.

Rule 1: a callee has one of them unacknowledged at a time; the next waits for the PRACK.
Rule 2: it is sent again at T1, doubling without bound, and after 64*T1 the INVITE is refused 504.
Rule 3: a 2xx waits until the PRACK for a description of ours has come (§3).
Rule 4: a caller acknowledges them in order; one out of order is dropped, its sender repeats it.
"""

import re
from collections.abc import Callable

from .abilities import options
from .answers import Answers, describe
from .errors import SipParseError
from .in_dialog import send_in_dialog
from .leg import Called, Fork, HeaderPairs, Leg, ReliableResponse
from .legs import Legs
from .message import Request, Response
from .message.grammar import number, shown
from .transaction_layer import ignore
from .transport import Route

RESEND = "provisional"
MAX_QUEUE = 8
MAX_RSEQ = 2**32 - 1
_RACK = re.compile(r"([0-9]++)[ \t]++([0-9]++)[ \t]++([A-Za-z]++)")


class ReliableResponses:
    """The callee's side."""

    def __init__(self, legs: Legs, answers: Answers, expire: Callable[[Leg, float], None]) -> None:
        self._legs = legs
        self._answers = answers
        self._expire = expire

    def ring(
        self, leg: Leg, called: Called, status: int, body: bytes | None, headers: HeaderPairs,
        now: float,
    ) -> None:  # fmt: skip
        """Send a provisional response above 100, reliably if the peer asks for it.

        Or if it permits that and the response describes the session.
        """
        invite = called.transaction.request
        response = self._answers.response(leg, called.transaction, status, None, headers)
        if body and not called.described:
            describe(response, body)
            leg.talk.description = body
        permitted = "100rel" in options(invite, "Supported")
        if "100rel" in options(invite, "Require") or (permitted and response.body):
            called.described = called.described or bool(response.body)
            self._send_reliably(leg, called, response, now)
        else:
            self._legs.reply(leg, called.transaction, response, now)

    def acknowledged(self, leg: Leg, prack: Request, now: float) -> ReliableResponse:
        """Take a PRACK; gives the response it acknowledges. Raises SipParseError, 481."""
        called = leg.called
        pending = called.unacknowledged if called else None
        number_, sequence, method = rack(prack)
        if (
            called is None
            or pending is None
            or (number_, method) != (pending.number, "INVITE")
            or sequence != called.transaction.request.cseq.sequence
        ):
            raise SipParseError("RAck names no response that waits for it", status=481)
        self.stop(leg)
        if called.queue:
            self._send_reliably(leg, called, called.queue.pop(0), now)
        return pending

    def cease(self, leg: Leg) -> None:
        """The final response goes out: repeat nothing, but take the PRACK that may come (§3)."""
        self._legs.stop_alarm(leg, RESEND)

    def stop(self, leg: Leg) -> None:
        """The reliable response is acknowledged, or given up."""
        if leg.called:
            leg.called.unacknowledged = None
        self._legs.stop_alarm(leg, RESEND)

    def _send_reliably(self, leg: Leg, called: Called, response: Response, now: float) -> None:
        if called.unacknowledged:
            if len(called.queue) < MAX_QUEUE:
                called.queue.append(response)
            else:
                self._legs.layer.counters.late_verbs += 1
            return
        called.number += 1 if called.number else 1 + self._legs.entropy.integer(30)
        response.headers.add("Require", "100rel")
        response.headers.add("RSeq", str(called.number))
        settings = self._legs.settings
        called.unacknowledged = ReliableResponse(
            response, called.number, settings.t1, now + settings.patience
        )
        self._legs.reply(leg, called.transaction, response, now)
        self._legs.alarm(leg, RESEND, now + settings.t1, lambda at: self._resend(leg, called, at))

    def _resend(self, leg: Leg, called: Called, now: float) -> None:
        pending = called.unacknowledged
        if pending is None:
            return
        if now >= pending.until:
            self.stop(leg)
            self._expire(leg, now)
            return
        self._legs.layer.counters.retransmissions += 1
        self._legs.reply(leg, called.transaction, pending.response, now)
        pending.gap *= 2
        due = min(now + pending.gap, pending.until)
        self._legs.alarm(leg, RESEND, due, lambda at: self._resend(leg, called, at))


def rack(prack: Request) -> tuple[int, int, str]:
    """The RAck of a PRACK: RSeq, CSeq number and method. Raises SipParseError."""
    text = prack.headers.first("RAck") or ""
    match = _RACK.fullmatch(text)
    if match is None:
        raise SipParseError(f"RAck {shown(text)} is not two numbers and a method")
    return number(match[1], "RSeq", MAX_RSEQ), number(match[2], "CSeq", MAX_RSEQ), match[3]


def acknowledge_provisional(
    legs: Legs, leg: Leg, fork: Fork, response: Response, now: float
) -> bool:
    """The caller's side: send PRACK if the response wants one; False to drop the response."""
    if "100rel" not in options(response, "Require"):
        return True
    try:
        told = number(response.headers.first("RSeq") or "", "RSeq", MAX_RSEQ)
    except SipParseError:
        return False
    if fork.heard is not None and told != fork.heard + 1:
        return False
    fork.heard = told
    value = f"{told} {response.cseq.sequence} INVITE"

    def fill(prack: Request, _route: Route) -> None:
        prack.headers.add("RAck", value)

    send_in_dialog(legs, leg, fork.dialog, "PRACK", ignore, now, fill=fill)
    return True
