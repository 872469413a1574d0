"""The user agent core: SIP without sockets and without a clock (RFC 3261 §8, §12 to §15).

Five verbs are the whole contract with a shell: `receive`, `handle_timer`, `next_timer`,
`messages_to_send`, `events`. The owner's verbs stand in `calls` and `transfers`, and act on legs.
"""

from ..base.ids import Entropy
from .answers import Answers
from .calls import Calls
from .counters import Counters
from .dialog_requests import DialogRequests
from .doorkeeper import Doorkeeper, OpenDoor
from .events import SipEvent
from .invite_client import InviteClient
from .invite_server import InviteServer
from .legs import Legs
from .offers import Offers
from .qualify import Qualifier
from .reception import Reception
from .referrals import Referrals
from .registrations import Registrations
from .settings import UserAgentSettings
from .transaction_layer import TransactionLayer
from .transfers import Transfers
from .transport import Hop, Transmission


class UserAgent:
    """Everything that one SIP address does. Times are monotonic seconds."""

    def __init__(
        self,
        settings: UserAgentSettings,
        entropy: Entropy,
        doorkeeper: Doorkeeper | None = None,
    ) -> None:
        """Without a doorkeeper everybody is let in."""
        self.settings = settings
        self._layer = TransactionLayer(settings, entropy)
        self._legs = Legs(self._layer, settings, entropy)
        answers = Answers(self._legs)
        offers = Offers(self._legs, answers)
        referrals = Referrals(self._legs)
        client = InviteClient(self._legs, offers.keeper)
        server = InviteServer(self._legs, answers, offers)
        dialogs = DialogRequests(self._legs, server, answers, offers, referrals)
        self._reception = Reception(self._legs, doorkeeper or OpenDoor(), server, dialogs)
        self.calls = Calls(self._legs, client, server, offers)
        """The owner's verbs on calls."""
        self.transfers = Transfers(self._legs, referrals)
        """The owner's verbs on transfers."""
        self.registrations = Registrations(self._layer, settings, entropy, self._legs.events)
        self.qualifier = Qualifier(self._layer, settings, entropy, self._legs.events)

    @property
    def counters(self) -> Counters:
        """What the signalling has seen."""
        return self._layer.counters

    @property
    def legs(self) -> list[str]:
        """The legs that are not over."""
        return self._legs.ids

    @property
    def transactions(self) -> int:
        """How many transactions live."""
        return len(self._layer)

    @property
    def busy(self) -> bool:
        """Whether there are legs, or requests of ours without a final response."""
        return len(self._legs) > 0 or self._layer.waiting

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one datagram, or one message of a stream."""
        self._reception.receive(data, source, now)

    def handle_timer(self, now: float) -> None:
        """Do everything that is due."""
        self._layer.handle_timer(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` must be called next."""
        return self._layer.next_timer()

    def messages_to_send(self) -> list[Transmission]:
        """What must be sent now."""
        out, self._layer.outbox = self._layer.outbox, []
        self.counters.sent += len(out)
        return out

    def transmission_failed(self, transmission: Transmission, now: float, why: str = "") -> None:
        """The shell could not send; `why` is a sentence for the operator."""
        self._layer.transmission_failed(transmission, now, why)

    def events(self) -> list[SipEvent]:
        """What happened since the last call."""
        out = list(self._legs.events)
        self._legs.events.clear()
        return out

    def drain(self) -> None:
        """Take no new call from now on: 503. Those under way go on."""
        self._reception.closing = True

    def close(self, now: float) -> None:
        """Say goodbye to every peer, and from now on take no call."""
        self.drain()
        self.qualifier.close()
        self.calls.end_all(now)
        self.registrations.close(now)
