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


ControlCommand = Say | AddMessage | EndCall
