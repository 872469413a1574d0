"""Hooks: what is done when something happens in a call."""

import re
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .fields import (
    TEXT_OR_OTHER,
    Count,
    Id,
    Name,
    Number,
    Object,
    Open,
    Spoken,
    Strict,
    Text,
    listed,
    missing_field,
    within,
    wrong_field,
)
from .vendors import ModelMessage

_EVENT = re.compile(
    r"call\.ending|call\.ringing|call\.timeElapsed|session\.created|model\.response\.timeout"
    r"|(?:assistant|customer)\.speech\.interrupted"
    r"|customer\.speech\.timeout(?:\[[!-~]{1,100}\])?"
    r"|assistant\.transcriber\.endpointedSpeechLowConfidence(?:\[[!-~]{1,100}\])?"
)

Exact = Annotated[
    Annotated[Spoken, Tag("text")] | Annotated[list[Spoken], Tag("other")], TEXT_OR_OTHER
]
Prompt = Annotated[
    Annotated[Text, Tag("text")] | Annotated[list[ModelMessage], Tag("other")], TEXT_OR_OTHER
]


class SayAction(Strict):
    """Say something: the words, one of several at random, or what a prompt gives."""

    type: Literal["say"]
    exact: Exact | None = None
    prompt: Prompt | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "SayAction":
        if self.exact is None and self.prompt is None:
            raise missing_field("exact", "unless prompt is given")
        return self


class ToolAction(Strict):
    """Run a tool."""

    type: Literal["tool"]
    tool: Object | None = None
    toolId: Id | None = None

    @model_validator(mode="after")
    def _names_a_tool(self) -> "ToolAction":
        if self.tool is None and self.toolId is None:
            raise missing_field("toolId", "unless tool is given")
        return self


class MessageAction(Strict):
    """Add a message to the conversation."""

    type: Literal["message.add"]
    message: ModelMessage
    triggerResponseEnabled: bool | None = None


class TransferAction(Strict):
    """Transfer the call."""

    type: Literal["transfer"]
    destination: Object | None = None


Action = Annotated[SayAction | ToolAction | MessageAction | TransferAction, Discriminator("type")]


class HookFilter(Open):
    """Which events of the kind are meant."""

    type: Literal["oneOf", "startsWith"] | None = None
    key: Text | None = None
    oneOf: list[Text] | None = listed()
    startsWith: Text | None = None


class HookOptions(Strict):
    """When the event counts as having happened."""

    timeoutSeconds: Number | None = within(1, 1_000)
    triggerMaxCount: Count | None = within(1, 10)
    triggerResetMode: Literal["never", "onUserSpeech"] | None = None
    seconds: Number | None = within(1, 3_600)
    confidenceMin: Number | None = within(0, 1)
    confidenceMax: Number | None = within(0, 1)


class Hook(Strict):
    """On an event, do something."""

    on: Annotated[str, Field(max_length=200)]
    do: Annotated[list[Action], Field(min_length=1, max_length=20)]
    filters: list[HookFilter] | None = listed(20)
    options: HookOptions | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "Hook":
        if not _EVENT.fullmatch(self.on):
            raise wrong_field("on", f"is {self.on!r}, which is not an event that hooks can be on")
        return self
