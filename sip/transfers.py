"""The owner's verbs on transfers; how they go is told as Referred and ReferProgress."""

from .leg import HeaderPairs, Leg, LegState
from .legs import Legs
from .referrals import Referrals


class Transfers:
    """Sends and answers REFERs. Every verb names its leg; one that is over is only counted."""

    def __init__(self, legs: Legs, referrals: Referrals) -> None:
        self._legs = legs
        self._referrals = referrals

    def refer(
        self,
        leg: str,
        target: str,
        now: float,
        headers: HeaderPairs = (),
        *,
        subscribe: bool = True,
    ) -> None:
        """Ask the peer to call `target`; its `?Replaces=` makes the transfer an attended one.

        Without `subscribe` we ask not to be told how it goes (RFC 4488). Raises SipParseError.
        """
        if known := self._talking(leg):
            self._referrals.refer(known, target, headers, subscribe, now)

    def accept(self, leg: str, referral: str, now: float) -> None:
        """Say 202 to the peer's REFER, and that we are trying."""
        if known := self._talking(leg):
            self._referrals.accept(known, referral, now)

    def refuse(self, leg: str, referral: str, status: int, now: float) -> None:
        """Answer the peer's REFER with an error."""
        if known := self._talking(leg):
            self._referrals.refuse(known, referral, status, now)

    def tell(self, leg: str, referral: str, status: int, reason: str, now: float) -> None:
        """Tell the peer how the call goes that it asked for; a final status is the last word."""
        if known := self._talking(leg):
            self._referrals.tell(known, referral, status, reason, now)

    def _talking(self, leg: str) -> Leg | None:
        known = self._legs.get(leg)
        if known is None or known.state not in {LegState.ANSWERED, LegState.TALKING}:
            self._legs.layer.counters.late_verbs += 1
            return None
        return known
