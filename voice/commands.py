"""What the turn manager wants done, in order: its outputs."""

from dataclasses import dataclass

from ..providers.protocols import Message, Pcm
from .conversation_events import ConversationEvent


@dataclass(frozen=True, slots=True)
class FinalizeTranscript:
    """Ask the transcriber for everything it has, now."""


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the model for a reply to `messages`."""

    generation: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop the model's reply of `generation`, if it still runs."""

    generation: int


@dataclass(frozen=True, slots=True)
class Synthesise:
    """Turn `text` into audio. At most one unit of a generation is under way."""

    generation: int
    unit: int
    text: str


@dataclass(frozen=True, slots=True)
class CancelSpeech:
    """Stop the synthesis of `generation`, if it still runs."""

    generation: int


@dataclass(frozen=True, slots=True)
class Play:
    """Append audio to the line."""

    generation: int
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class EndPlay:
    """No more audio will come for `generation`."""

    generation: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Freeze the line at once."""

    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on, `rewind` samples before where the line was frozen."""

    generation: int
    rewind: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what has not left the line."""

    generation: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the call."""

    event: ConversationEvent


@dataclass(frozen=True, slots=True)
class Finish:
    """The conversation is over: release everything."""


LineCommand = Play | EndPlay | Pause | Resume | Flush
Command = (
    LineCommand
    | FinalizeTranscript
    | StartReply
    | CancelReply
    | Synthesise
    | CancelSpeech
    | Tell
    | Finish
)
