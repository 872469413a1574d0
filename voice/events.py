"""What can happen to a conversation: the turn manager's inputs.

What the media plane reports is taken as it is (`media.plane`). `at` is when it happened, in
monotonic seconds. A `generation` names the assistant's utterance that the event belongs to; an
event of any but the current one is history and is ignored.
"""

from dataclasses import dataclass
from typing import Literal

from ..media.plane import Digit, Flushed, Heard, Paused, Played, PlayStarted
from ..providers.protocols import Pcm, ProviderFailure, ToolCall, Transcript, Word

Role = Literal["system", "user", "assistant", "tool"]
Stage = Literal["transcriber", "model", "voice", "line", "tool"]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The call is up: the line carries audio."""

    at: float


@dataclass(frozen=True, slots=True)
class CallGone:
    """The call is over; nothing can be said or heard any more."""

    at: float


@dataclass(frozen=True, slots=True)
class TranscriptHeard:
    """A transcript, its times in seconds on the line's heard clock."""

    at: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of the model's reply."""

    at: float
    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyTool:
    """The model asks for a tool."""

    at: float
    generation: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The model has said everything."""

    at: float
    generation: int


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """Synthesised audio of unit `unit`; `words` are timed from the unit's first sample."""

    at: float
    generation: int
    unit: int
    pcm: Pcm
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechDone:
    """The unit's audio is complete."""

    at: float
    generation: int
    unit: int


@dataclass(frozen=True, slots=True)
class ProviderDown:
    """A provider failed. `generation` is 0 for the transcriber, which has none."""

    at: float
    stage: Stage
    generation: int
    provider: str
    kind: ProviderFailure
    message: str


@dataclass(frozen=True, slots=True)
class SayAsked:
    """Somebody outside wants `text` spoken."""

    at: float
    text: str
    end_call_after: bool = False
    interrupt: bool = False
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """Somebody outside adds a message to the history."""

    at: float
    role: Role
    content: str
    trigger_response: bool = True


@dataclass(frozen=True, slots=True)
class EndAsked:
    """Somebody outside ends the call."""

    at: float
    reason: str


TurnEvent = (
    CallStarted
    | CallGone
    | Heard
    | Digit
    | TranscriptHeard
    | ReplyText
    | ReplyTool
    | ReplyDone
    | SpeechAudio
    | SpeechDone
    | ProviderDown
    | PlayStarted
    | Played
    | Paused
    | Flushed
    | SayAsked
    | MessageAdded
    | EndAsked
)
