"""The transaction layer: every live transaction, their timers, and what waits to be sent.

Matches messages to transactions (RFC 3261 §17.1.3, §17.2.3) and carries out what the machines ask
for. Knows nothing of dialogs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..base.ids import Entropy
from .counters import Counters
from .message.message import Request, Response
from .message.via import MAGIC_COOKIE, Via
from .settings import UserAgentSettings
from .timers import Timers
from .transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Effect,
    Fail,
    PassUp,
    Send,
    SetTimer,
    Signal,
    State,
    StopTimer,
    Transaction,
    TransactionKey,
)
from .transport import Hop, Route, Transmission, response_route


@dataclass(frozen=True, slots=True)
class Failure:
    """No response: a user treats silence as 408 and a dead transport as 503 (§8.1.3.1)."""

    kind: Literal["timeout", "transport"]
    why: str = ""
    """What the transport said, in words."""

    @property
    def status(self) -> int:
        """The response that this failure stands for."""
        return 408 if self.kind == "timeout" else 503


Outcome = Response | Failure
TransactionUser = Callable[[Outcome, Hop | None, float], None]
"""Takes each response of a client transaction, where it came from, and the time."""

Alarm = Callable[[float], None]
"""What a timer of a transaction's user does when it is due."""


def ignore(_outcome: Outcome, _source: Hop | None, _now: float) -> None:
    """The user of a transaction whose outcome changes nothing."""


class TransactionLayer:
    """Client and server transactions of one user agent."""

    def __init__(self, settings: UserAgentSettings, entropy: Entropy) -> None:
        self.settings = settings
        self.counters = Counters()
        self.outbox: list[Transmission] = []
        self._entropy = entropy
        self._timers: Timers[Transaction | Alarm] = Timers()
        self._clients: dict[TransactionKey, Transaction] = {}
        self._servers: dict[TransactionKey, Transaction] = {}
        self._users: dict[Transaction, TransactionUser] = {}
        self._merge: dict[TransactionKey, Transaction] = {}
        self._trouble = ""

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def waiting(self) -> bool:
        """Whether a request of ours still waits for its final response."""
        waiting = {State.CALLING, State.TRYING, State.PROCEEDING}
        return any(t.state in waiting for t in self._clients.values())

    # Requests in ------------------------------------------------------------------------------

    def absorb(self, request: Request, now: float) -> bool:
        """Give a request to the server transaction it belongs to; False if there is none.

        An ACK is absorbed only when it acknowledges a 3xx-6xx: that for a 2xx is the dialog's.
        """
        transaction = self._servers.get(server_key(request))
        if transaction is None:
            return False
        if request.method == "ACK":
            absorbed = transaction.state in {State.COMPLETED, State.CONFIRMED}
            self._run(transaction, transaction.signal(Signal.ACK, request), None, now)
            return absorbed
        self._run(transaction, transaction.signal(Signal.REQUEST, request), None, now)
        return True

    def accept(self, request: Request, source: Hop) -> Transaction:
        """Open the server transaction of a new request."""
        machine = INVITE_SERVER if request.method == "INVITE" else NON_INVITE_SERVER
        route = response_route(request.via, source)
        transaction = Transaction(server_key(request), machine, request, route, self.settings)
        self._servers[transaction.key] = transaction
        if request.to.tag is None:
            self._merge[merge_key(request)] = transaction
        return transaction

    def came_before(self, request: Request) -> bool:
        """Whether a request reached us on another way already (RFC 3261 §8.2.2.2).

        Or is one of our own live INVITEs that came back.
        """
        if request.to.tag is None and merge_key(request) in self._merge:
            return True
        branches = [via.branch for via in map(Via.parse, request.vias)]
        return any((branch, "INVITE") in self._clients for branch in branches)

    def invite_of(self, cancel: Request) -> Transaction | None:
        """The INVITE that a CANCEL means: same branch, same sender (§9.2)."""
        return self._servers.get(server_key(cancel, method="INVITE"))

    # Responses out ----------------------------------------------------------------------------

    def respond(self, transaction: Transaction, response: Response, now: float) -> None:
        """Send a response; a 2xx to INVITE may be sent again while the transaction is Accepted."""
        signal = Signal.of_status(response.status)
        self._run(transaction, transaction.signal(signal, response), None, now)

    def transmit(self, data: bytes, route: Route, call_id: str) -> None:
        """Send bytes that no transaction guards: an ACK for a 2xx, a stateless answer."""
        self.outbox.append(Transmission(data, route, call_id))

    # Requests out -----------------------------------------------------------------------------

    def new_via(self, route: Route) -> str:
        """A Via with a fresh branch for a request that leaves over this route."""
        transport = route.hop.transport.upper()
        branch = MAGIC_COOKIE + self._entropy.token(12)
        here = self.settings.address_towards(route.flow or route.hop).authority
        return f"SIP/2.0/{transport} {here};rport;branch={branch}"

    def request(
        self, request: Request, route: Route, user: TransactionUser, now: float
    ) -> Transaction:
        """Open a client transaction and send its request; `user` takes the responses."""
        machine = INVITE_CLIENT if request.method == "INVITE" else NON_INVITE_CLIENT
        key = (request.via.branch, request.method)
        transaction = Transaction(key, machine, request, route, self.settings)
        self._clients[key] = transaction
        self._users[transaction] = user
        self._run(transaction, transaction.signal(Signal.START), None, now)
        return transaction

    def receive_response(self, response: Response, source: Hop, now: float) -> bool:
        """Give a response to its client transaction; False if there is none."""
        if len(response.vias) != 1:  # §8.1.3.3: meant for somebody else
            return False
        transaction = self._clients.get((response.via.branch, response.cseq.method))
        if transaction is None:
            return False
        signal = Signal.of_status(response.status)
        self._run(transaction, transaction.signal(signal, response), source, now)
        return True

    def abandon(self, transaction: Transaction) -> None:
        """Forget a client transaction whose outcome nobody waits for any longer."""
        for name in transaction.machine.timers.get(transaction.state, ()):
            self._timers.stop(transaction, name)
        self._forget(transaction)

    # Time and trouble -------------------------------------------------------------------------

    def alarm(self, alarm: Alarm, name: str, at: float) -> None:
        """Call `alarm` at a time; the same alarm and name restart it."""
        self._timers.start(alarm, name, at)

    def stop_alarm(self, alarm: Alarm, name: str) -> None:
        """Stop an alarm; one that is not set is no error."""
        self._timers.stop(alarm, name)

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called next."""
        return self._timers.next()

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        while (due := self._timers.pop_due(now)) is not None:
            owner, name = due
            if isinstance(owner, Transaction):
                self._run(owner, owner.signal(Signal[f"TIMER_{name}"]), None, now)
            else:
                owner(now)

    def transmission_failed(self, transmission: Transmission, now: float, why: str = "") -> None:
        """Sending failed; the transaction, if one cares, fails with it."""
        self.counters.transport_failures += 1
        owner = transmission.owner
        if owner is not None:
            self._trouble = why
            self._run(owner, owner.signal(Signal.TRANSPORT_ERROR), None, now)
            self._trouble = ""

    # Carrying out -----------------------------------------------------------------------------

    def _run(
        self, transaction: Transaction, effects: list[Effect], source: Hop | None, now: float
    ) -> None:
        """Carry out effects. The user comes last: it meets a transaction that is up to date."""
        outcomes: list[Outcome] = []
        for effect in effects:
            match effect:
                case PassUp(response):
                    outcomes.append(response)
                case Fail(kind):
                    outcomes.append(Failure(kind, self._trouble))
                case _:
                    self._carry_out(transaction, effect, now)
        user = self._users.get(transaction)
        if transaction.state is State.TERMINATED:
            self._forget(transaction)
        if user is not None:
            for outcome in outcomes:
                user(outcome, source, now)

    def _carry_out(self, transaction: Transaction, effect: Effect, now: float) -> None:
        match effect:
            case Send(message, again):
                self.counters.retransmissions += again
                data, call_id = bytes(message), call_id_of(message)
                self.outbox.append(Transmission(data, transaction.route, call_id, transaction))
            case SetTimer(name, after_s):
                self._timers.start(transaction, name, now + after_s)
            case StopTimer(name):
                self._timers.stop(transaction, name)

    def _forget(self, transaction: Transaction) -> None:
        table = self._clients if transaction.machine.client else self._servers
        table.pop(transaction.key, None)
        self._users.pop(transaction, None)
        if not transaction.machine.client and transaction.request.to.tag is None:
            self._merge.pop(merge_key(transaction.request), None)


def call_id_of(message: Request | Response) -> str:
    """The Call-ID if there is one to read, for the record of what was on the wire."""
    return message.headers.first("Call-ID") or ""


def server_key(request: Request, method: str | None = None) -> TransactionKey:
    """What makes two requests the same transaction (RFC 3261 §17.2.3).

    An ACK belongs to its INVITE. Without a unique branch, as RFC 2543 peers send, the request's
    other identifying fields stand in.
    """
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    via = request.via
    if via.identifies:
        return (via.branch, via.sent_by, method)
    cseq, tag = str(request.cseq.sequence), request.from_.tag or ""
    return (via.branch, via.sent_by, method, request.call_id, cseq, tag, request.target)


def merge_key(request: Request) -> TransactionKey:
    """What a request keeps on every way it takes (RFC 3261 §8.2.2.2)."""
    return (request.call_id, request.from_.tag or "", str(request.cseq))
