"""Sending a request of ours within a dialog, wherever its peer says it is."""

from collections.abc import Callable

from .attempt import Attempt
from .dialog import Dialog
from .errors import LocalSipError
from .leg import HeaderPairs, Leg
from .legs import Legs
from .message import Request
from .transaction_layer import Failure, TransactionLayer, TransactionUser, ignore
from .transport import Route

Fill = Callable[[Request, Route], None]
"""Adds what a request says beyond the dialog's own headers."""


def send_in_dialog(
    legs: Legs,
    leg: Leg,
    dialog: Dialog,
    method: str,
    user: TransactionUser,
    now: float,
    *,
    fill: Fill | None = None,
) -> Attempt | None:
    """Send a request over the dialog's route, through challenges if need be.

    A peer that cannot be reached fails it at once; None then.
    """
    route = route_of(legs.layer, dialog)
    if route is None:
        user(Failure("transport"), None, now)
        return None

    def build(hop: Route) -> Request:
        request = dialog.request(method)
        request.headers.add("Via", legs.layer.new_via(hop))
        request.headers.add("User-Agent", legs.settings.product)
        if fill:
            fill(request, hop)
        return request

    attempt = Attempt(legs.layer, build, [route], user, authenticator=leg.authenticator)
    attempt.start(now)
    return attempt


def say_bye(legs: Legs, leg: Leg, dialog: Dialog, headers: HeaderPairs, now: float) -> None:
    """Hang up one dialog of a leg; nobody waits for the answer."""

    def fill(request: Request, _route: Route) -> None:
        for name, value in headers:
            request.headers.add(name, value)

    send_in_dialog(legs, leg, dialog, "BYE", ignore, now, fill=fill)


def acknowledge(
    layer: TransactionLayer, dialog: Dialog, invite: Request
) -> tuple[bytes, Route] | None:
    """Send the ACK for a 2xx to this INVITE; gives it, to be sent again.

    It carries the credentials of its INVITE (RFC 3261 §13.2.2.4).
    """
    route = route_of(layer, dialog)
    if route is None:
        return None
    ack = dialog.request("ACK", sequence=invite.cseq.sequence)
    ack.headers.add("Via", layer.new_via(route))
    for name in ("Authorization", "Proxy-Authorization"):
        ack.headers.extend(name, invite.headers.all(name))
    data = bytes(ack)
    layer.transmit(data, route, dialog.call_id)
    return data, route


def route_of(layer: TransactionLayer, dialog: Dialog) -> Route | None:
    """The dialog's route; None, counted, when the peer's Contact or Route cannot be reached."""
    try:
        return dialog.route()
    except LocalSipError:
        layer.counters.transport_failures += 1
        return None
