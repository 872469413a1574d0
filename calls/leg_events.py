"""What a leg tells its owner, in the words of a call and not of SIP."""

from dataclasses import dataclass
from typing import Literal

from ..media import plane
from ..sip.events import HeaderList


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The far end rings; with `early_media` we already hear it."""

    early_media: bool


@dataclass(frozen=True, slots=True)
class LegUp:
    """Both sides agreed: the leg is in talk. `headers` are those of the far end's answer."""

    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class LegRefused:
    """The far end refused the call with a SIP status, or never answered (not `heard`)."""

    status: int
    reason: str
    headers: HeaderList = ()
    heard: bool = True


@dataclass(frozen=True, slots=True)
class LegCancelled:
    """The caller gave up before we answered."""

    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class LegDirection:
    """The far end put us on hold, or took us off: our own direction now."""

    direction: plane.Direction


@dataclass(frozen=True, slots=True)
class LegDigit:
    """The far end pressed a key, told by SIP INFO."""

    digit: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class LegMessage:
    """The far end sent text within the call (SIP MESSAGE)."""

    text: str


@dataclass(frozen=True, slots=True)
class LegReferred:
    """The far end asks us to talk to somebody else: `move`, or `stay`."""

    referral: str
    target: str
    replaces: str | None
    referred_by: str | None


@dataclass(frozen=True, slots=True)
class LegMoved:
    """The leg has another far end now; `why` says how that came: refer or replaces."""

    why: Literal["refer", "replaces"]


@dataclass(frozen=True, slots=True)
class LegTransfer:
    """How it goes with our wish that the far end call somebody else."""

    status: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The dialog is over. `why` is the SIP room's word: bye, no_ack, timeout, transport …"""

    why: str
    headers: HeaderList = ()


@dataclass(frozen=True, slots=True)
class LegBroken:
    """We had to give the leg up; `what` is a word of `endings.FAILURES`."""

    what: str
    detail: str


LegEvent = (
    LegRinging
    | LegUp
    | LegRefused
    | LegCancelled
    | LegDirection
    | LegDigit
    | LegMessage
    | LegReferred
    | LegMoved
    | LegTransfer
    | LegEnded
    | LegBroken
)
