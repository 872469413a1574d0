"""The four SIP transactions (RFC 3261 §17, with Accepted from RFC 6026) as tables.

A transaction is what makes one request and its answers survive a network that loses, doubles and
reorders packets. It knows nothing of dialogs, calls or sockets.

Rule 1: every transition stands in a table; no action touches `state`.
Rule 2: a signal that the table does not name is absorbed: on UDP a late or doubled packet is
        normal, not an error.
Rule 3: a timer belongs to states. On a change of state a timer that the new state does not list is
        stopped, one that only the new state lists is started, one that both list runs on (timer F
        covers Trying and Proceeding).
Rule 4: the timers that repeat messages (A, E, G) do not run over a reliable transport, and those
        that wait for stragglers (D, I, J, K) are zero there (RFC 3261 table 4).
Rule 5: the ACK for 3xx-6xx is the transaction's own (§17.1.1.3); the ACK for a 2xx is the dialog's
        (§13.2.2.4). So a client transaction stays in Accepted to hand up every repeated 2xx
        (RFC 6026 §7.2), and a server transaction stays there so that a repeated INVITE does not
        look like a new call (RFC 6026 §7.1). It is the dialog that repeats a 2xx.

The same signals serve both sides: on a client they are the responses that come in, on a server the
responses that its user sends. An action appends to `effects`; whoever gave the signal carries them
out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from .message.headers import Headers
from .message.message import Message, Request, Response
from .settings import UserAgentSettings
from .transport import Route


class State(Enum):
    """States of all four machines; each uses some of them."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class Signal(Enum):
    """What can happen to a transaction."""

    START = auto()
    REQUEST = auto()
    """The request came in again."""
    ACK = auto()
    PROVISIONAL = auto()
    SUCCESS = auto()
    REJECTION = auto()
    TRANSPORT_ERROR = auto()
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()

    @classmethod
    def of_status(cls, status: int) -> "Signal":
        """The signal that a response of this status is."""
        if status < 200:
            return cls.PROVISIONAL
        return cls.SUCCESS if status < 300 else cls.REJECTION


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on the wire; `again` marks a retransmission."""

    message: Message
    again: bool = False


@dataclass(frozen=True, slots=True)
class PassUp:
    """Hand this response to the transaction's user."""

    response: Response


@dataclass(frozen=True, slots=True)
class Fail:
    """Tell the user that no response will come."""

    kind: Literal["timeout", "transport"]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start a timer, `after_s` from now."""

    name: str
    after_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop a timer."""

    name: str


Effect = Send | PassUp | Fail | SetTimer | StopTimer
TransactionKey = tuple[str, ...]


@dataclass(eq=False, slots=True)
class Transaction:
    """One request, its responses and where it stands. `signal` is the only way to move it."""

    key: TransactionKey
    machine: "Machine"
    request: Request
    route: Route
    settings: UserAgentSettings
    state: State = field(init=False)
    last: Message = field(init=False)
    """What is sent again when the peer seems not to have got it."""
    interval: float = field(init=False)
    """The present pause between retransmissions, seconds."""
    effects: list[Effect] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.state = self.machine.initial
        self.last = self.request
        self.interval = self.settings.t1

    def signal(self, signal: Signal, message: Message | None = None) -> list[Effect]:
        """Take one signal, change state by the table, and give back what must be done."""
        cell = self.machine.table.get((self.state, signal))
        if cell is None:
            return []
        state, *actions = cell
        for action in actions:
            action(self, message)
        if signal is Signal.START or state is not self.state:
            self._swap_timers(state, starting=signal is Signal.START)
        self.state = state
        effects, self.effects = self.effects, []
        return effects

    def _swap_timers(self, state: State, *, starting: bool) -> None:
        old = () if starting else self.machine.timers.get(self.state, ())
        new = self.machine.timers.get(state, ())
        self.effects.extend(StopTimer(name) for name in old if name not in new)
        for name in new:
            if name in old or (name in REPEATING and self.route.reliable):
                continue
            zero = name in LINGERING and self.route.reliable
            self.effects.append(SetTimer(name, 0.0 if zero else DURATIONS[name](self.settings)))


# Timers (RFC 3261 table 4, RFC 6026 §8.4). T1-sized ones are the first of a growing series.

DURATIONS: dict[str, Callable[[UserAgentSettings], float]] = {
    "A": lambda s: s.t1,
    "B": lambda s: s.patience,
    "D": lambda s: max(32.0, s.patience),
    "E": lambda s: s.t1,
    "F": lambda s: s.patience,
    "G": lambda s: s.t1,
    "H": lambda s: s.patience,
    "I": lambda s: s.t4,
    "J": lambda s: s.patience,
    "K": lambda s: s.t4,
    "L": lambda s: s.patience,
    "M": lambda s: s.patience,
}
REPEATING = frozenset("AEG")
LINGERING = frozenset("DIJK")


# Actions --------------------------------------------------------------------------------------


def send(transaction: Transaction, message: Message | None) -> None:
    """Send a new message and remember it for repetition."""
    transaction.last = message or transaction.request
    transaction.effects.append(Send(transaction.last))


def resend(transaction: Transaction, _message: Message | None) -> None:
    """Repeat what was sent last. Before the first response there is nothing to repeat."""
    if isinstance(transaction.last, Response) or transaction.machine.client:
        transaction.effects.append(Send(transaction.last, again=True))


def pass_up(transaction: Transaction, message: Message | None) -> None:
    """Hand a response to the user."""
    if isinstance(message, Response):
        transaction.effects.append(PassUp(message))


def acknowledge(transaction: Transaction, message: Message | None) -> None:
    """Acknowledge a 3xx-6xx, again for every repetition of it."""
    if isinstance(message, Response):
        transaction.effects.append(Send(rejection_ack(transaction.request, message)))


def time_out(transaction: Transaction, _message: Message | None) -> None:
    """The peer stayed silent."""
    transaction.effects.append(Fail("timeout"))


def fail(transaction: Transaction, _message: Message | None) -> None:
    """The message could not be sent."""
    transaction.effects.append(Fail("transport"))


def back_off_a(transaction: Transaction, _message: Message | None) -> None:
    """Timer A doubles without bound (§17.1.1.2)."""
    _wait(transaction, "A", transaction.interval * 2)


def back_off_e(transaction: Transaction, _message: Message | None) -> None:
    """Timer E doubles up to T2 while Trying (§17.1.2.2)."""
    _wait(transaction, "E", min(transaction.interval * 2, transaction.settings.t2))


def slow_e(transaction: Transaction, _message: Message | None) -> None:
    """Timer E is T2 once a provisional response came (§17.1.2.2)."""
    _wait(transaction, "E", transaction.settings.t2)


def back_off_g(transaction: Transaction, _message: Message | None) -> None:
    """Timer G doubles up to T2 (§17.2.1)."""
    _wait(transaction, "G", min(transaction.interval * 2, transaction.settings.t2))


def _wait(transaction: Transaction, name: str, seconds: float) -> None:
    transaction.interval = seconds
    transaction.effects.append(SetTimer(name, seconds))


def rejection_ack(request: Request, response: Response) -> Request:
    """The ACK for a 3xx-6xx (§17.1.1.3): the INVITE's own top Via, route and CSeq number."""
    headers = Headers([("Via", request.vias[0])])
    headers.add("Max-Forwards", "70")
    headers.extend("Route", request.headers.all("Route"))
    headers.extend("From", request.headers.all("From"))
    headers.extend("To", response.headers.all("To"))
    headers.add("Call-ID", request.call_id)
    headers.add("CSeq", f"{request.cseq.sequence} ACK")
    return Request("ACK", request.target, headers)


# The tables -----------------------------------------------------------------------------------

Action = Callable[[Transaction, Message | None], None]
Cell = tuple[State] | tuple[State, Action] | tuple[State, Action, Action]
Table = dict[tuple[State, Signal], Cell]


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the four kinds of transaction."""

    name: str
    client: bool
    initial: State
    timers: dict[State, tuple[str, ...]]
    """The timers that run in each state."""
    table: Table


INVITE_CLIENT = Machine(  # RFC 3261 figure 5, RFC 6026 figure 1
    "INVITE client",
    client=True,
    initial=State.CALLING,
    timers={State.CALLING: ("A", "B"), State.COMPLETED: ("D",), State.ACCEPTED: ("M",)},
    table={
        (State.CALLING, Signal.START): (State.CALLING, send),
        (State.CALLING, Signal.TIMER_A): (State.CALLING, resend, back_off_a),
        (State.CALLING, Signal.TIMER_B): (State.TERMINATED, time_out),
        (State.CALLING, Signal.TRANSPORT_ERROR): (State.TERMINATED, fail),
        (State.CALLING, Signal.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.CALLING, Signal.SUCCESS): (State.ACCEPTED, pass_up),
        (State.CALLING, Signal.REJECTION): (State.COMPLETED, acknowledge, pass_up),
        (State.PROCEEDING, Signal.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.PROCEEDING, Signal.SUCCESS): (State.ACCEPTED, pass_up),
        (State.PROCEEDING, Signal.REJECTION): (State.COMPLETED, acknowledge, pass_up),
        (State.COMPLETED, Signal.REJECTION): (State.COMPLETED, acknowledge),
        (State.COMPLETED, Signal.TRANSPORT_ERROR): (State.TERMINATED, fail),
        (State.COMPLETED, Signal.TIMER_D): (State.TERMINATED,),
        (State.ACCEPTED, Signal.SUCCESS): (State.ACCEPTED, pass_up),
        (State.ACCEPTED, Signal.TIMER_M): (State.TERMINATED,),
    },
)

NON_INVITE_CLIENT = Machine(  # RFC 3261 figure 6
    "non-INVITE client",
    client=True,
    initial=State.TRYING,
    timers={State.TRYING: ("E", "F"), State.PROCEEDING: ("E", "F"), State.COMPLETED: ("K",)},
    table={
        (State.TRYING, Signal.START): (State.TRYING, send),
        (State.TRYING, Signal.TIMER_E): (State.TRYING, resend, back_off_e),
        (State.TRYING, Signal.TIMER_F): (State.TERMINATED, time_out),
        (State.TRYING, Signal.TRANSPORT_ERROR): (State.TERMINATED, fail),
        (State.TRYING, Signal.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.TRYING, Signal.SUCCESS): (State.COMPLETED, pass_up),
        (State.TRYING, Signal.REJECTION): (State.COMPLETED, pass_up),
        (State.PROCEEDING, Signal.TIMER_E): (State.PROCEEDING, resend, slow_e),
        (State.PROCEEDING, Signal.TIMER_F): (State.TERMINATED, time_out),
        (State.PROCEEDING, Signal.TRANSPORT_ERROR): (State.TERMINATED, fail),
        (State.PROCEEDING, Signal.PROVISIONAL): (State.PROCEEDING, pass_up),
        (State.PROCEEDING, Signal.SUCCESS): (State.COMPLETED, pass_up),
        (State.PROCEEDING, Signal.REJECTION): (State.COMPLETED, pass_up),
        (State.COMPLETED, Signal.TIMER_K): (State.TERMINATED,),
    },
)

INVITE_SERVER = Machine(  # RFC 3261 figure 7, RFC 6026 figure 2
    "INVITE server",
    client=False,
    initial=State.PROCEEDING,
    timers={
        State.COMPLETED: ("G", "H"),
        State.CONFIRMED: ("I",),
        State.ACCEPTED: ("L",),
    },
    table={
        (State.PROCEEDING, Signal.REQUEST): (State.PROCEEDING, resend),
        (State.PROCEEDING, Signal.PROVISIONAL): (State.PROCEEDING, send),
        (State.PROCEEDING, Signal.SUCCESS): (State.ACCEPTED, send),
        (State.PROCEEDING, Signal.REJECTION): (State.COMPLETED, send),
        (State.COMPLETED, Signal.REQUEST): (State.COMPLETED, resend),
        (State.COMPLETED, Signal.TIMER_G): (State.COMPLETED, resend, back_off_g),
        (State.COMPLETED, Signal.TIMER_H): (State.TERMINATED,),
        (State.COMPLETED, Signal.ACK): (State.CONFIRMED,),
        (State.CONFIRMED, Signal.TIMER_I): (State.TERMINATED,),
        (State.ACCEPTED, Signal.SUCCESS): (State.ACCEPTED, resend),
        (State.ACCEPTED, Signal.TIMER_L): (State.TERMINATED,),
    },
)

NON_INVITE_SERVER = Machine(  # RFC 3261 figure 8
    "non-INVITE server",
    client=False,
    initial=State.TRYING,
    timers={State.COMPLETED: ("J",)},
    table={
        (State.TRYING, Signal.PROVISIONAL): (State.PROCEEDING, send),
        (State.TRYING, Signal.SUCCESS): (State.COMPLETED, send),
        (State.TRYING, Signal.REJECTION): (State.COMPLETED, send),
        (State.PROCEEDING, Signal.REQUEST): (State.PROCEEDING, resend),
        (State.PROCEEDING, Signal.PROVISIONAL): (State.PROCEEDING, send),
        (State.PROCEEDING, Signal.SUCCESS): (State.COMPLETED, send),
        (State.PROCEEDING, Signal.REJECTION): (State.COMPLETED, send),
        (State.COMPLETED, Signal.REQUEST): (State.COMPLETED, resend),
        (State.COMPLETED, Signal.TIMER_J): (State.TERMINATED,),
    },
)
