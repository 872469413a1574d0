"""What an assistant's conversation may be told to do differently, with the defaults.

Only what acts now is here. Names follow the REST fields, in seconds (`waitSeconds` → `wait_s`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from ..providers.protocols import Message

ACKNOWLEDGEMENT_PHRASES = (
    "i understand",
    "i see",
    "i got it",
    "i hear you",
    "im listening",
    "im with you",
    "right",
    "okay",
    "ok",
    "sure",
    "alright",
    "got it",
    "understood",
    "yeah",
    "yes",
    "uh-huh",
    "mm-hmm",
    "gotcha",
    "mhmm",
    "ah",
    "yeah okay",
    "yeah sure",
)
INTERRUPTION_PHRASES = (
    "stop",
    "shut",
    "up",
    "enough",
    "quiet",
    "silence",
    "but",
    "dont",
    "not",
    "no",
    "hold",
    "wait",
    "cut",
    "pause",
    "nope",
    "nah",
    "nevermind",
    "never",
    "bad",
    "actually",
)

STT_SETTLE_S = {
    "deepgram": 0.35,
    "elevenlabs": 0.41,
    "assemblyai": 0.42,
    "cartesia": 0.81,
    "google": 1.57,
    "azure": 1.80,
    "openai": 2.01,
}
"""99th percentile of a provider's way from the end of speech to its last transcript."""

STT_SETTLE_UNKNOWN_S = 1.0

FirstMessageMode = Literal["speaks-first", "waits-for-user", "model-generated"]


@dataclass(frozen=True, slots=True)
class StartSpeakingPlan:
    """When the caller's turn is over and the assistant may speak."""

    wait_s: float = 0.4
    """Least time between the caller's last speech and the assistant's first audio."""
    on_punctuation_s: float = 0.1
    on_no_punctuation_s: float = 1.5
    on_number_s: float = 0.5
    stop_s: float = 0.2
    """Silence that ends a segment of speech."""
    speech_overhang_s: float = 0.105
    """How long the speech detector goes on saying "speech" after its true end."""
    turn_stuck_s: float = 5.0
    """How long speech that gave no words is waited for."""
    turn_cap_s: float = 30.0
    """Wall-clock limit of one caller turn, whatever the speech detector says."""


@dataclass(frozen=True, slots=True)
class StopSpeakingPlan:
    """When the caller's voice stops the assistant's."""

    num_words: int = 0
    """Words needed to interrupt; 0 lets the voice itself decide."""
    voice_s: float = 0.2
    """Speech that pauses the assistant when `num_words` is 0."""
    backoff_s: float = 0.0
    """Silence kept after an interruption. The hosted default is 1 s; here it is opt-in."""
    acknowledgement_phrases: tuple[str, ...] = ACKNOWLEDGEMENT_PHRASES
    interruption_phrases: tuple[str, ...] = INTERRUPTION_PHRASES
    false_interruption_s: float = 0.7
    """Patience with a transcriber that owes an answer before a paused reply goes on."""
    max_pause_s: float = 4.0


@dataclass(frozen=True, slots=True)
class FirstMessagePlan:
    """Who speaks first. Without `text`, "speaks-first" waits for the caller."""

    mode: FirstMessageMode = "speaks-first"
    text: str = ""
    interruptible: bool = False


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """What happens when the caller says nothing."""

    messages: tuple[str, ...] = ()
    timeout_s: float = 10.0
    max_count: int = 3
    reset_on_user_speech: bool = False
    silence_timeout_s: float = 30.0
    silence_message: str = ""


@dataclass(frozen=True, slots=True)
class KeypadPlan:
    """How digits are gathered. Disabled, a run of digits is a turn after two quiet seconds."""

    enabled: bool = False
    timeout_s: float = 2.0
    """Quiet time that ends an entry; 0 waits for a delimiter."""
    delimiters: tuple[str, ...] = ("#",)


@dataclass(frozen=True, slots=True)
class EndingPlan:
    """How a call ends by itself."""

    max_duration_s: float = 600.0
    phrases: tuple[str, ...] = ()
    message: str = ""
    """Spoken before the assistant hangs up by its `endCall` tool."""


@dataclass(frozen=True, slots=True)
class FailurePlan:
    """What the caller hears when a provider fails. Without `apology` the call ends."""

    apology: str = "I'm sorry, I have a technical problem. Could you say that again?"
    model_failures: int = 3
    """Failed replies in a row after which the call ends, once the apology is spoken."""
    stall_s: float = 5.0
    """Longest time an answer that is owed makes no progress before it counts as failed."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What the language model is given beside the conversation."""

    messages: tuple[Message, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    temperature: float = 0.5
    max_tokens: int = 250


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """Everything a conversation is told; all of it has a default."""

    model: ModelPlan = field(default_factory=ModelPlan)
    first_message: FirstMessagePlan = field(default_factory=FirstMessagePlan)
    start_speaking: StartSpeakingPlan = field(default_factory=StartSpeakingPlan)
    stop_speaking: StopSpeakingPlan = field(default_factory=StopSpeakingPlan)
    idle: IdlePlan = field(default_factory=IdlePlan)
    keypad: KeypadPlan = field(default_factory=KeypadPlan)
    ending: EndingPlan = field(default_factory=EndingPlan)
    failure: FailurePlan = field(default_factory=FailurePlan)
    stt_settle_s: float | None = None
    """How long a final transcript may take; None takes the provider's measured figure."""

    def settle_s(self, provider: str) -> float:
        """How long after the last speech the transcript of `provider` counts as settled."""
        if self.stt_settle_s is not None:
            return self.stt_settle_s
        return STT_SETTLE_S.get(provider, STT_SETTLE_UNKNOWN_S)
