"""Sending a request of ours within a dialog, wherever its peer says it is."""

from .dialog import Dialog
from .errors import LocalSipError
from .message import Request
from .transaction_layer import Failure, TransactionLayer, TransactionUser
from .transport import Route


def send_in_dialog(
    layer: TransactionLayer, dialog: Dialog, request: Request, user: TransactionUser, now: float
) -> None:
    """Send a request over the dialog's route; a peer that cannot be reached fails it at once."""
    route = route_of(layer, dialog)
    if route is None:
        user(Failure("transport"), None, now)
        return
    request.headers.add("Via", layer.new_via(route))
    layer.request(request, route, user, now)


def acknowledge(
    layer: TransactionLayer, dialog: Dialog, sequence: int
) -> tuple[bytes, Route] | None:
    """Send the ACK for a 2xx to the INVITE of that number; gives it, to be sent again."""
    route = route_of(layer, dialog)
    if route is None:
        return None
    ack = dialog.request("ACK", sequence=sequence)
    ack.headers.add("Via", layer.new_via(route))
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
