"""What the trunks ask of the SIP endpoint, carried out by the real one."""

from collections.abc import Sequence

from ...sip.io.endpoint import SipEndpoint
from ...sip.registration import Registrar
from ...sip.transport import Hop


class Signalling:
    """Registers and qualifies through an endpoint."""

    def __init__(self, endpoint: SipEndpoint) -> None:
        self._endpoint = endpoint

    def register(self, registrar: Registrar, targets: Sequence[Hop]) -> None:
        """Register, and stay registered; one of the same id is replaced."""
        self._endpoint.do(lambda agent, now: agent.registrations.add(registrar, targets, now))

    def retarget(self, registration_id: str, targets: Sequence[Hop]) -> None:
        """The registrar is elsewhere."""
        self._endpoint.do(
            lambda agent, now: agent.registrations.retarget(registration_id, targets, now)
        )

    def unregister(self, registration_id: str) -> None:
        """Tell the registrar to forget us."""
        self._endpoint.do(lambda agent, now: agent.registrations.remove(registration_id, now))

    def qualify(self, peer_id: str, uri: str, target: Hop, every_s: float) -> None:
        """Ask with OPTIONS from now on."""
        self._endpoint.do(
            lambda agent, now: agent.qualifier.add(peer_id, uri, target, now, every_s)
        )

    def stop_qualify(self, peer_id: str) -> None:
        """Ask no more."""
        self._endpoint.do(lambda agent, _: agent.qualifier.remove(peer_id))
