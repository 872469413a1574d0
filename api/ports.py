"""What the API asks of the rooms that it speaks for."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from ..calls.control import ControlCommand
from ..store.documents import Document

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""Gives None when all is well, or a sentence that says what is wrong."""


class CallDesk(Protocol):
    """Places calls and steers live ones."""

    async def place(self, org_id: str, request: Document) -> Document:
        """Begin a call from a `POST /call` body that has the right shape; gives the stored call.

        Raises CallRefused when what the body names does not exist or cannot be used, AtCapacity.
        """
        ...

    async def control(self, org_id: str, call_id: str, command: ControlCommand) -> Document:
        """Steer a live call. Raises UnknownCall, CallNotLive, CommandRefused."""
        ...

    def artifact_folder(self, call_id: str) -> Path:
        """Where the files of a call lie, whether or not there are any."""
        ...

    def live_count(self) -> int:
        """How many calls have not ended."""
        ...


class TimelineWaiter(Protocol):
    """Wakes whoever follows the timeline of a call."""

    async def wait(self, call_id: str, timeout_s: float) -> None:
        """Return when items of the call were stored, or after `timeout_s` seconds."""
        ...


class TrunkDesk(Protocol):
    """Keeps the SIP trunks: registered, qualified, and known to whoever calls in."""

    async def refresh(self) -> None:
        """Read credentials and phone numbers again: one of them changed."""
        ...

    def status(self, org_id: str, credential_id: str) -> Document:
        """How one trunk is."""
        ...

    def statuses(self, org_id: str) -> list[Document]:
        """How every trunk of an organisation is."""
        ...


class TrunkTester(Protocol):
    """Tries trunks."""

    async def test(self, org_id: str, credential_id: str, number: str | None) -> Document:
        """Ask the trunk with OPTIONS, REGISTER and an INVITE that is given up when it rings.

        `number` is whom the INVITE calls. Raises CallRefused when nothing may be asked.
        """
        ...
