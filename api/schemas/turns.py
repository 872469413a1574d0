"""Turn taking: when the assistant begins to speak, when it stops, what idling and digits do."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from .fields import TEXT_OR_OTHER, Count, Number, Spoken, Strict, Text, listed, within
from .server import Server

Delimiter = Literal["#", "*", ""]
Delimiters = Annotated[
    Annotated[Delimiter, Tag("text")] | Annotated[list[Delimiter], Tag("other")], TEXT_OR_OTHER
]
LivekitOrSwitch = Annotated[
    Annotated[Literal["livekit"], Tag("text")] | Annotated[bool, Tag("other")], TEXT_OR_OTHER
]


class TranscriptionEndpointingPlan(Strict):
    """How long to wait for more after what the transcript ends with."""

    onPunctuationSeconds: Number | None = within(0, 3)
    onNoPunctuationSeconds: Number | None = within(0, 3)
    onNumberSeconds: Number | None = within(0, 3)


class SmartEndpointingPlan(Strict):
    """A model that judges whether the caller has finished."""

    provider: Literal["vapi", "livekit", "custom-endpointing-model"]
    waitFunction: Spoken | None = None
    server: Server | None = None


class RegexOption(Strict):
    """A switch of a regular expression."""

    type: Literal["ignore-case", "whole-word", "multi-line"]
    enabled: bool


class _EndpointingRule(Strict):
    timeoutSeconds: Annotated[Number, Field(ge=0, le=15)]


class AssistantRule(_EndpointingRule):
    """Wait that long when the assistant's last words match."""

    type: Literal["assistant"]
    regex: Text
    regexOptions: list[RegexOption] | None = listed(10)


class CustomerRule(_EndpointingRule):
    """Wait that long when the caller's words match."""

    type: Literal["customer"]
    regex: Text
    regexOptions: list[RegexOption] | None = listed(10)


class BothRule(_EndpointingRule):
    """Wait that long when the words of both match."""

    type: Literal["both"]
    assistantRegex: Text
    assistantRegexOptions: list[RegexOption] | None = listed(10)
    customerRegex: Text
    customerRegexOptions: list[RegexOption] | None = listed(10)


EndpointingRule = Annotated[AssistantRule | CustomerRule | BothRule, Discriminator("type")]


class StartSpeakingPlan(Strict):
    """When the assistant begins to speak."""

    waitSeconds: Number | None = within(0, 5)
    transcriptionEndpointingPlan: TranscriptionEndpointingPlan | None = None
    smartEndpointingPlan: SmartEndpointingPlan | None = None
    smartEndpointingEnabled: LivekitOrSwitch | None = None
    customEndpointingRules: list[EndpointingRule] | None = listed(100)


class StopSpeakingPlan(Strict):
    """When the assistant stops because the caller speaks."""

    numWords: Count | None = within(0, 10)
    voiceSeconds: Number | None = within(0, 0.5)
    backoffSeconds: Number | None = within(0, 10)
    acknowledgementPhrases: list[Text] | None = listed()
    interruptionPhrases: list[Text] | None = listed()


class KeypadInputPlan(Strict):
    """How pressed digits become a message."""

    enabled: bool | None = None
    timeoutSeconds: Number | None = within(0, 10)
    delimiters: Delimiters | None = None


class MessagePlan(Strict):
    """What the assistant says when the caller is silent."""

    idleMessages: list[Spoken] | None = listed(100)
    idleTimeoutSeconds: Number | None = within(5, 60)
    idleMessageMaxSpokenCount: Number | None = within(1, 10)
    idleMessageResetCountOnUserSpeechEnabled: bool | None = None
    silenceTimeoutMessage: Spoken | None = None


class VoicemailBackoffPlan(Strict):
    """When the detector listens."""

    startAtSeconds: Number | None = within(0, 3_600)
    frequencySeconds: Number | None = within(2.5, 3_600)
    maxRetries: Number | None = within(1, 10)


class VoicemailDetectionPlan(Strict):
    """How an answering machine is recognised."""

    provider: Literal["vapi", "google", "openai", "twilio"]
    type: Literal["audio", "transcript"] | None = None
    beepMaxAwaitSeconds: Number | None = within(0, 60)
    backoffPlan: VoicemailBackoffPlan | None = None
    enabled: bool | None = None
    voicemailDetectionTypes: list[Text] | None = listed(20)
    machineDetectionTimeout: Number | None = within(3, 59)
    machineDetectionSpeechThreshold: Number | None = within(1_000, 6_000)
    machineDetectionSpeechEndThreshold: Number | None = within(500, 5_000)
    machineDetectionSilenceTimeout: Number | None = within(2_000, 10_000)
