"""An attempt: one request of ours on its way to a final answer.

Rule 1: a challenge is answered, with the same target, once per realm; once more when it is `stale`.
Rule 2: a target that is dead, silent or out of service gives way to the next (RFC 3263 §4.3); any
        other answer is the answer.
Rule 3: every try is a request of its own, with a fresh CSeq and branch (RFC 3261 §8.1.3.5).
"""

from collections.abc import Callable, Sequence

from .digest import Authenticator
from .message import Request, Response
from .transaction import Transaction
from .transaction_layer import Failure, Outcome, TransactionLayer, TransactionUser
from .transport import Hop, Route

MOVE_ON = frozenset({408, 480, 503, 504})
"""Answers after which another target is tried: it may be up where this one is not."""

MAX_CHALLENGES = 6

SILENCE_S = 6.0
"""How long a target may say nothing at all while there is another one.

RFC 3261 would wait 32 s; a server that is up says 100 within 0.2 s, and by now it was asked four
times.
"""

Told = Callable[[Hop, bool, float], None]


class Attempt:
    """Over the targets in turn, through challenges, until an answer is final."""

    def __init__(
        self,
        layer: TransactionLayer,
        build: Callable[[Route], Request],
        targets: Sequence[Route],
        user: TransactionUser,
        *,
        authenticator: Authenticator | None = None,
        move_on: frozenset[int] = MOVE_ON,
        on_target: Told | None = None,
    ) -> None:
        """`build` makes the request of each try. `user` takes every provisional response and the
        last outcome. `on_target` is told of each target whether it serves, and when."""
        self._layer = layer
        self._build = build
        self._targets = list(targets)
        self._user = user
        self._authenticator = authenticator
        self._move_on = move_on
        self._on_target = on_target
        self._index = 0
        self._challenged: dict[tuple[int, str], int] = {}
        self._challenges = 0
        self.settled = False
        """No further try follows: the owner gave up, or the answer came."""
        self._impatience = self._lose_patience
        self.request: Request
        self.transaction: Transaction

    @property
    def hop(self) -> Hop:
        """Where the try that is under way went."""
        return self._targets[self._index].hop

    def start(self, now: float) -> None:
        """Send to the first target."""
        self._send(now)

    def settle(self) -> None:
        """Try nothing further, whatever comes: the owner cancelled."""
        self.settled = True

    def _send(self, now: float) -> None:
        route = self._targets[self._index]
        self.request = self._build(route)
        if self._authenticator:
            self._authenticator.authorize(self.request)

        def take(outcome: Outcome, source: Hop | None, at: float) -> None:
            self._take(outcome, source, at)

        self.transaction = self._layer.request(self.request, route, take, now)
        if self._index + 1 < len(self._targets):
            self._layer.alarm(self._impatience, "silence", now + SILENCE_S)

    def _lose_patience(self, now: float) -> None:
        if self.settled:
            return
        self._layer.abandon(self.transaction)
        self._take(Failure("timeout"), None, now)

    def _take(self, outcome: Outcome, source: Hop | None, now: float) -> None:
        self._layer.stop_alarm(self._impatience, "silence")
        if isinstance(outcome, Response) and outcome.status < 200:
            self._user(outcome, source, now)
            return
        if self._on_target:
            self._on_target(self.hop, isinstance(outcome, Response) and outcome.status != 503, now)
        if not self.settled and (self._answers_challenge(outcome) or self._moves_on(outcome)):
            self._send(now)
            return
        self.settled = True
        self._user(outcome, source, now)

    def _answers_challenge(self, outcome: Outcome) -> bool:
        if isinstance(outcome, Failure) or outcome.status not in (401, 407):
            return False
        if self._authenticator is None or self._challenges >= MAX_CHALLENGES:
            return False
        self._challenges += 1
        again = False
        for one in self._authenticator.learn(outcome):
            key = (one.status, one.realm)
            times = self._challenged.get(key, 0)
            if times == 0 or (one.stale and times == 1):
                again = True
                self._challenged[key] = times + 1
        return again

    def _moves_on(self, outcome: Outcome) -> bool:
        if outcome.status not in self._move_on or self._index + 1 >= len(self._targets):
            return False
        self._index += 1
        self._challenged.clear()
        return True
