"""Every leg that is not over, how it is found, and what is to be told of it."""

from collections.abc import Callable

from ..base.ids import Entropy
from .dialog import Dialog, DialogKey
from .events import Ended, EndReason, HeaderList, SipEvent
from .leg import Leg, LegState
from .message import Request, Response
from .settings import UserAgentSettings
from .transaction import Transaction
from .transaction_layer import TransactionLayer
from .transport import Hop

REMEMBERED = 256
"""Dialogs that are over and still known as such: a Replaces that names one is told 603."""


class Legs:
    """The legs of one user agent. Everything that makes or ends one goes through here."""

    def __init__(
        self, layer: TransactionLayer, settings: UserAgentSettings, entropy: Entropy
    ) -> None:
        self.layer = layer
        self.settings = settings
        self.entropy = entropy
        self.events: list[SipEvent] = []
        self._legs: dict[str, Leg] = {}
        self._dialogs: dict[DialogKey, tuple[Leg, Dialog]] = {}
        self._over: dict[DialogKey, None] = {}
        self._waiting: dict[Transaction, Leg] = {}

    def __len__(self) -> int:
        return len(self._legs)

    @property
    def ids(self) -> list[str]:
        """The legs that are not over, oldest first."""
        return list(self._legs)

    def add(self, leg: Leg) -> None:
        """Take in a leg, and its dialog if it has one."""
        self._legs[leg.id] = leg
        if leg.dialog:
            self.enter(leg, leg.dialog)

    def enter(self, leg: Leg, dialog: Dialog) -> None:
        """Let requests in a dialog find its leg."""
        self._dialogs[dialog.key] = (leg, dialog)

    def leave(self, dialog: Dialog) -> None:
        """A dialog is over: a fork that lost, or that of a leg that ended."""
        if self._dialogs.pop(dialog.key, None) is None:
            return
        self._over[dialog.key] = None
        while len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]

    def get(self, leg: str) -> Leg | None:
        """The leg of this id, None if it is over."""
        return self._legs.get(leg)

    def of_dialog(self, key: DialogKey) -> tuple[Leg, Dialog] | None:
        """The leg and the dialog of a key."""
        return self._dialogs.get(key)

    def of_request(self, request: Request) -> tuple[Leg, Dialog] | None:
        """The leg and the dialog that a request in a dialog belongs to (RFC 3261 §12.2.2)."""
        key = (request.call_id, request.to.tag or "", request.from_.tag or "")
        return self._dialogs.get(key)

    def waiting_on(self, transaction: Transaction) -> Leg | None:
        """The leg whose owner has not answered this request yet."""
        return self._waiting.get(transaction)

    def was(self, key: DialogKey) -> bool:
        """Whether a dialog of this key ended not long ago."""
        return key in self._over

    # Requests of the peer that wait for the owner --------------------------------------------

    def open(self, leg: Leg, request: Request, source: Hop) -> Transaction:
        """Open the server transaction of a request that the owner answers."""
        transaction = self.layer.accept(request, source)
        leg.open.append(transaction)
        self._waiting[transaction] = leg
        return transaction

    def reply(self, leg: Leg, transaction: Transaction, response: Response, now: float) -> None:
        """Answer such a request."""
        if response.status >= 200 and transaction in leg.open:
            leg.open.remove(transaction)
            self._waiting.pop(transaction, None)
        self.layer.respond(transaction, response, now)

    # Alarms -----------------------------------------------------------------------------------

    def alarm(self, leg: Leg, name: str, at: float, do: Callable[[float], None]) -> None:
        """Do something for a leg at a time, unless the leg is over by then."""
        self.stop_alarm(leg, name)
        leg.alarms[name] = do
        self.layer.alarm(do, name, at)

    def stop_alarm(self, leg: Leg, name: str) -> None:
        """Stop an alarm; one that is not set is no error."""
        do = leg.alarms.pop(name, None)
        if do is not None:
            self.layer.stop_alarm(do, name)

    # Ends -------------------------------------------------------------------------------------

    def end(self, leg: Leg, why: EndReason, now: float, headers: HeaderList = ()) -> None:
        """A leg is over for a reason that is not the owner's."""
        if leg.id in self._legs and leg.goodbye is None:
            self.events.append(Ended(leg.id, why, headers))
        self.forget(leg, now)

    def forget(self, leg: Leg, now: float) -> None:
        """A leg is over: nothing of it waits, repeats or can be found any longer."""
        leg.state = LegState.OVER
        leg.unacknowledged = None
        for name in list(leg.alarms):
            self.stop_alarm(leg, name)
        for transaction in list(leg.open):
            request = transaction.request
            self.reply(leg, transaction, request.response(487, to_tag=leg.local_tag), now)
        dialogs = [fork.dialog for fork in leg.calling.forks.values()] if leg.calling else []
        for dialog in [*dialogs, *([leg.dialog] if leg.dialog else [])]:
            self.leave(dialog)
        self._legs.pop(leg.id, None)
