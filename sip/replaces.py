"""Replaces (RFC 3891): a call that takes the place of another one of ours."""

from .dialog import Dialog
from .errors import SipParseError
from .leg import Leg, LegState
from .legs import Legs
from .message import Request
from .message.parameters import Parameters


def value_of(dialog: Dialog) -> str:
    """The Replaces value by which the peer of this dialog knows it."""
    tags = f"to-tag={dialog.remote.tag or '0'};from-tag={dialog.local.tag or '0'}"
    return f"{dialog.call_id};{tags}"


def replaced_leg(request: Request, legs: Legs) -> Leg | None:
    """The leg that an INVITE wants to replace, None if it wants none.

    Raises SipParseError: 400 for a header that says nothing, 481 for a dialog that we do not know,
    603 for one that is over, 486 for an answered one that was to be replaced only while it rang.
    """
    values = request.headers.all("Replaces")
    if not values:
        return None
    if len(values) > 1:
        raise SipParseError(f"Replaces stands {len(values)} times")
    call_id, semicolon, rest = values[0].partition(";")
    parameters = Parameters.parse(semicolon + rest)
    ours, theirs = parameters.get("to-tag"), parameters.get("from-tag")
    if ours is None or theirs is None:
        raise SipParseError("Replaces has no to-tag and from-tag")
    key = (call_id.strip(), ours, theirs)
    found = legs.of_dialog(key) or (legs.of_dialog((*key[:2], "")) if theirs == "0" else None)
    if found is None:
        raise SipParseError("Replaces names no call of ours", status=603 if legs.was(key) else 481)
    leg, _ = found
    if leg.state is LegState.INVITED:  # §3: an early dialog must be one that we began
        raise SipParseError("Replaces names a call that waits for our answer", status=481)
    if "early-only" in parameters and leg.state is not LegState.CALLING:
        raise SipParseError("Replaces wants a call that is not answered", status=486)
    return leg
