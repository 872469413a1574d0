"""What a conversation tells the call it belongs to. Times are monotonic seconds."""

from dataclasses import dataclass
from typing import Literal

from ..providers.protocols import ProviderFailure
from .events import Stage
from .latency import TurnLatency

AnomalyKind = Literal["turn_stuck", "turn_cap", "max_pause", "say_queue_full"]


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """What the transcriber understood; an interim one (`final` false) may still change."""

    text: str
    final: bool
    at: float
    confidence: float


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The caller finished a turn. `amended` corrects the last one by words that came late."""

    text: str
    started_at: float
    ended_at: float
    amended: bool = False


@dataclass(frozen=True, slots=True)
class AssistantTurn:
    """The assistant finished or was stopped. `text` is what left the line, and no more."""

    text: str
    started_at: float
    ended_at: float
    interrupted: bool
    samples: int


@dataclass(frozen=True, slots=True)
class SpeechUpdate:
    """Somebody began or ceased to be audible."""

    role: Literal["user", "assistant"]
    status: Literal["started", "stopped"]
    at: float


@dataclass(frozen=True, slots=True)
class AssistantPaused:
    """The caller became audible: the assistant fell silent until words tell what was meant."""

    at: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The assistant was stopped; `evidence` says by what, `text` which words."""

    at: float
    evidence: Literal["words", "keypad", "control"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class KeypadInput:
    """The caller entered digits."""

    digits: str
    at: float


@dataclass(frozen=True, slots=True)
class IdlePrompt:
    """The caller said nothing for so long that the assistant asks."""

    text: str
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class ProviderFailed:
    """A provider failed; what the caller hears instead follows from the settings."""

    stage: Stage
    provider: str
    kind: ProviderFailure
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that should be rare: a watchdog fired or a bound was met."""

    kind: AnomalyKind
    at: float


@dataclass(frozen=True, slots=True)
class CallEndRequested:
    """The conversation is over and wants the call ended."""

    reason: str
    at: float


ConversationEvent = (
    UserTranscript
    | UserTurn
    | AssistantTurn
    | SpeechUpdate
    | TurnLatency
    | AssistantPaused
    | Interrupted
    | KeypadInput
    | IdlePrompt
    | ProviderFailed
    | Anomaly
    | CallEndRequested
)
