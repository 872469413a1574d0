"""The assistant: who speaks on the telephone, and how."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from .fields import (
    TEXT_OR_OTHER,
    BackgroundSound,
    Id,
    Name,
    Number,
    Object,
    Phrase,
    Spoken,
    Strict,
    Text,
    Url,
    listed,
    within,
)
from .hooks import Hook
from .plans import (
    AnalysisPlan,
    ArtifactPlan,
    BackgroundSpeechDenoisingPlan,
    CompliancePlan,
    MonitorPlan,
    ObservabilityPlan,
)
from .server import Server
from .turns import (
    KeypadInputPlan,
    MessagePlan,
    StartSpeakingPlan,
    StopSpeakingPlan,
    VoicemailDetectionPlan,
)
from .vendors import Model, Transcriber, Voice

FirstMessageMode = Literal[
    "assistant-speaks-first",
    "assistant-speaks-first-with-model-generated-message",
    "assistant-waits-for-user",
]
VoicemailDetection = Annotated[
    Annotated[Literal["off"], Tag("text")] | Annotated[VoicemailDetectionPlan, Tag("other")],
    TEXT_OR_OTHER,
]


class Assistant(Strict):
    """An assistant; every field is optional."""

    name: Name | None = None
    firstMessage: Text | None = None
    firstMessageMode: FirstMessageMode | None = None
    firstMessageInterruptionsEnabled: bool | None = None
    model: Model | None = None
    voice: Voice | None = None
    transcriber: Transcriber | None = None
    maxDurationSeconds: Number | None = within(10, 43_200)
    silenceTimeoutSeconds: Number | None = within(10, 3_600)
    customerJoinTimeoutSeconds: Number | None = within(1, 60)
    endCallMessage: Spoken | None = None
    endCallPhrases: list[Phrase] | None = listed()
    voicemailMessage: Spoken | None = None
    voicemailDetection: VoicemailDetection | None = None
    startSpeakingPlan: StartSpeakingPlan | None = None
    stopSpeakingPlan: StopSpeakingPlan | None = None
    keypadInputPlan: KeypadInputPlan | None = None
    serverMessages: list[Text] | None = listed(100)
    clientMessages: list[Text] | None = listed(100)
    server: Server | None = None
    serverUrl: Url | None = None
    serverUrlSecret: Text | None = None
    hooks: list[Hook] | None = listed(100)
    messagePlan: MessagePlan | None = None
    analysisPlan: AnalysisPlan | None = None
    artifactPlan: ArtifactPlan | None = None
    monitorPlan: MonitorPlan | None = None
    backgroundSound: BackgroundSound | None = None
    backgroundSpeechDenoisingPlan: BackgroundSpeechDenoisingPlan | None = None
    backgroundDenoisingEnabled: bool | None = None
    modelOutputInMessagesEnabled: bool | None = None
    metadata: Object | None = None
    credentials: list[Object] | None = listed(100)
    credentialIds: list[Id] | None = listed(100)
    compliancePlan: CompliancePlan | None = None
    transportConfigurations: list[Object] | None = listed(100)
    observabilityPlan: ObservabilityPlan | None = None


class AssistantOverrides(Assistant):
    """Parts of an assistant that replace its own for one call; objects are merged deeply."""

    variableValues: Object | None = None
    tools_append: list[Object] | None = Field(None, alias="tools:append", max_length=100)
