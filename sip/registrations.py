"""Every registration of a user agent, and the pace at which they begin."""

from collections.abc import Sequence

from ..base.ids import Entropy
from .events import SipEvent
from .registration import Circle, Registrar, Registration
from .settings import UserAgentSettings
from .targets import TargetHealth
from .transaction_layer import TransactionLayer
from .transport import Hop

PAUSE_S = 0.4
"""Between the first requests of two registrations: with a challenge each is two requests, and a
registrar is asked five times a second at most."""


class Registrations:
    """Registers, refreshes and unregisters. Times are monotonic seconds."""

    def __init__(
        self,
        layer: TransactionLayer,
        settings: UserAgentSettings,
        entropy: Entropy,
        events: list[SipEvent],
    ) -> None:
        self._layer = layer
        self._circle = Circle(layer, settings, entropy, TargetHealth(), events.append)
        self._known: dict[str, Registration] = {}
        self._free_at = 0.0

    def __len__(self) -> int:
        return len(self._known)

    def add(self, registrar: Registrar, targets: Sequence[Hop], now: float) -> None:
        """Register, and stay registered. A registration of the same id is replaced."""
        if old := self._known.pop(registrar.id, None):
            old.leave(now)
        registration = self._known[registrar.id] = Registration(self._circle, registrar, targets)
        if targets:
            self._begin(registration, now)

    def retarget(self, registration_id: str, targets: Sequence[Hop], now: float) -> None:
        """The registrar is elsewhere; asks again at once where it could not be reached before."""
        registration = self._known.get(registration_id)
        if registration is None:
            return
        same = registration.targets == tuple(targets)
        registration.targets = tuple(targets)
        if registration.state in ("trying", "failed") and not same and targets:
            self._begin(registration, now)

    def refresh(self, registration_id: str, now: float) -> bool:
        """Ask the registrar now, out of turn; False if there is no such registration."""
        registration = self._known.get(registration_id)
        if registration:
            self._begin(registration, now)
        return registration is not None

    def remove(self, registration_id: str, now: float) -> None:
        """Unregister."""
        if registration := self._known.pop(registration_id, None):
            registration.leave(now)

    def close(self, now: float) -> None:
        """Unregister everything."""
        for registration_id in list(self._known):
            self.remove(registration_id, now)

    def _begin(self, registration: Registration, now: float) -> None:
        at = max(now, self._free_at)
        self._free_at = at + PAUSE_S
        self._layer.alarm(registration.due, "register", at)
