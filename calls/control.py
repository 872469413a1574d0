"""What an operator or a backend can ask of a live call."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Say:
    """Speak `content`; `interrupt_assistant_enabled` cuts what is being said, else it is queued."""

    content: str
    end_call_after_spoken: bool = False
    interruptions_enabled: bool = True
    interrupt_assistant_enabled: bool = False


@dataclass(frozen=True, slots=True)
class AddMessage:
    """Add to the conversation's history, and answer it now if `trigger_response_enabled`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    trigger_response_enabled: bool = True


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up now."""


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Press keys towards the far end; `method` None takes what the trunk is set to."""

    digits: str
    method: Literal["rfc4733", "info", "inband"] | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Ask the far end to call somebody else instead of us (REFER); the call ends when it does.

    One of the two is given: a number, called over the call's own trunk, or a SIP URI.
    """

    number: str | None = None
    sip_uri: str | None = None


ControlCommand = Say | AddMessage | EndCall | SendDigits | Transfer
