"""The objects that choose a vendor: model, voice, transcriber.

The vendor is named by `provider`, an open list; keys that only one vendor knows are kept as given.
Whether a vendor is built in is judged when a call is placed.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .fields import (
    Id,
    Name,
    Number,
    Object,
    Open,
    Strict,
    Text,
    Url,
    listed,
    missing_field,
    within,
)
from .server import Server

Provider = Annotated[str, Field(min_length=1, max_length=40)]


class ModelMessage(Open):
    """A message that the conversation begins with."""

    role: Literal["system", "user", "assistant", "tool", "function"]
    content: Text | None = None


class Model(Open):
    """The language model."""

    provider: Provider
    model: Text | None = None
    messages: list[ModelMessage] | None = listed()
    temperature: Number | None = within(0, 2)
    maxTokens: Number | None = within(50, 10_000)
    tools: list[Object] | None = listed(100)
    toolIds: list[Id] | None = listed(100)
    toolRefs: list[Object] | None = listed(100)
    fallbackModels: list[Text] | None = listed(20)
    url: Url | None = None
    headers: Object | None = None
    timeoutSeconds: Number | None = within(0, 300)
    metadataSendMode: Literal["variable", "destructured", "off"] | None = None
    knowledgeBase: Object | None = None
    knowledgeBaseId: Id | None = None
    numFastTurns: Number | None = within(0, 1_000)
    emotionRecognitionEnabled: bool | None = None
    functions: list[Object] | None = listed(100)

    @model_validator(mode="after")
    def _has_an_address(self) -> "Model":
        if self.provider == "custom-llm" and not self.url:
            raise missing_field("url", "when provider is custom-llm")
        return self


class FormatReplacement(Strict):
    """A word or a pattern that is said differently."""

    type: Literal["exact", "regex"]
    key: Text | None = None
    regex: Text | None = None
    value: Text
    options: list[Object] | None = listed(10)
    replaceAllEnabled: bool | None = None


class FormatPlan(Strict):
    """How text is made ready for speech."""

    enabled: bool | None = None
    numberToDigitsCutoff: Number | None = within(0, 1e15)
    replacements: list[FormatReplacement] | None = listed()
    formattersEnabled: list[Name] | None = listed(100)


class ChunkPlan(Strict):
    """How the model's text is cut into pieces for speech."""

    enabled: bool | None = None
    minCharacters: Number | None = within(1, 80)
    punctuationBoundaries: list[Name] | None = listed(100)
    formatPlan: FormatPlan | None = None


class VoiceFallbackPlan(Strict):
    """The voices that take over when this one fails."""

    voices: list[Object] | None = listed(20)


class Voice(Open):
    """The assistant's voice."""

    provider: Provider
    voiceId: Text | None = None
    cachingEnabled: bool | None = None
    chunkPlan: ChunkPlan | None = None
    fallbackPlan: VoiceFallbackPlan | None = None
    inputPunctuationBoundaries: list[Name] | None = listed(100)
    server: Server | None = None

    @model_validator(mode="after")
    def _names_its_voice(self) -> "Voice":
        if self.provider in {"11labs", "cartesia", "openai"} and not self.voiceId:
            raise missing_field("voiceId", f"when provider is {self.provider}")
        if self.provider == "custom-voice" and self.server is None:
            raise missing_field("server", "when provider is custom-voice")
        return self


class TranscriberFallbackPlan(Strict):
    """The transcribers that take over when this one fails."""

    transcribers: list[Object] | None = listed(20)


class Transcriber(Open):
    """Speech recognition."""

    provider: Provider
    model: Text | None = None
    language: Name | None = None
    confidenceThreshold: Number | None = within(0, 1)
    fallbackPlan: TranscriberFallbackPlan | None = None
    server: Server | None = None

    @model_validator(mode="after")
    def _has_an_address(self) -> "Transcriber":
        if self.provider == "custom-transcriber" and self.server is None:
            raise missing_field("server", "when provider is custom-transcriber")
        return self
