"""Plans about what a call leaves behind, who may watch it, and what the law asks."""

from typing import Annotated, Literal

from pydantic import Field

from .fields import Id, Name, Number, Object, Spoken, Strict, Text, listed, within


class SummaryPlan(Strict):
    """The summary of a call."""

    enabled: bool | None = None
    timeoutSeconds: Number | None = within(1, 60)
    messages: list[Object] | None = listed()


class StructuredDataPlan(Strict):
    """Data to be read out of a call."""

    enabled: bool | None = None
    schema_: Object | None = Field(None, alias="schema")
    timeoutSeconds: Number | None = within(1, 60)
    messages: list[Object] | None = listed()


class StructuredDataMultiPlan(Strict):
    """One of several pieces of data to be read out of a call."""

    key: Text
    plan: StructuredDataPlan


class SuccessEvaluationPlan(Strict):
    """Whether a call reached its aim."""

    enabled: bool | None = None
    rubric: (
        Literal[
            "NumericScale",
            "DescriptiveScale",
            "Checklist",
            "Matrix",
            "PercentageScale",
            "LikertScale",
            "AutomaticRubric",
            "PassFail",
        ]
        | None
    ) = None
    messages: list[Object] | None = listed()
    timeoutSeconds: Number | None = within(1, 60)


class AnalysisPlan(Strict):
    """What is worked out after a call."""

    minMessagesThreshold: Number | None = within(0, 1_000)
    summaryPlan: SummaryPlan | None = None
    structuredDataPlan: StructuredDataPlan | None = None
    structuredDataMultiPlan: list[StructuredDataMultiPlan] | None = listed(100)
    successEvaluationPlan: SuccessEvaluationPlan | None = None
    outcomeIds: list[Id] | None = listed()


class TranscriptPlan(Strict):
    """How the transcript is written."""

    enabled: bool | None = None
    assistantName: Name | None = None
    userName: Name | None = None


class ArtifactPlan(Strict):
    """What is recorded of a call."""

    recordingEnabled: bool | None = None
    recordingFormat: Literal["wav;l16", "mp3"] | None = None
    recordingUseCustomStorageEnabled: bool | None = None
    recordingPath: Text | None = None
    videoRecordingEnabled: bool | None = None
    pcapEnabled: bool | None = None
    pcapS3PathPrefix: Text | None = None
    pcapUseCustomStorageEnabled: bool | None = None
    loggingEnabled: bool | None = None
    loggingPath: Text | None = None
    loggingUseCustomStorageEnabled: bool | None = None
    transcriptPlan: TranscriptPlan | None = None
    fullMessageHistoryEnabled: bool | None = None
    structuredOutputIds: list[Id] | None = listed()
    structuredOutputs: list[Object] | None = listed()
    scorecardIds: list[Id] | None = listed()
    scorecards: list[Object] | None = listed()


class MonitorPlan(Strict):
    """Who may listen to a live call and steer it."""

    listenEnabled: bool | None = None
    listenAuthenticationEnabled: bool | None = None
    controlEnabled: bool | None = None
    controlAuthenticationEnabled: bool | None = None
    monitorIds: list[Id] | None = listed()


class SmartDenoisingPlan(Strict):
    """Noise removal by a model."""

    enabled: bool | None = None


class FourierDenoisingPlan(Strict):
    """Noise removal by filtering."""

    enabled: bool | None = None
    mediaDetectionEnabled: bool | None = None
    staticThreshold: Number | None = within(-80, 0)
    baselineOffsetDb: Number | None = within(-30, -5)
    windowSizeMs: Number | None = within(1_000, 30_000)
    baselinePercentile: Number | None = within(30, 99)


class BackgroundSpeechDenoisingPlan(Strict):
    """Removal of noise and of other people's speech."""

    smartDenoisingPlan: SmartDenoisingPlan | None = None
    fourierDenoisingPlan: FourierDenoisingPlan | None = None


class RecordingConsentPlan(Strict):
    """How a caller agrees to be recorded."""

    type: Literal["stay-on-line", "verbal"]
    message: Spoken | None = None
    voice: Object | None = None
    waitSeconds: Number | None = within(1, 6)
    firstMessageMode: (
        Literal[
            "assistant-speaks-first",
            "assistant-speaks-first-with-model-generated-message",
            "assistant-waits-for-user",
        ]
        | None
    ) = None
    declineTool: Object | None = None
    declineToolId: Id | None = None


class CompliancePlan(Strict):
    """What a law or a standard asks of a call."""

    hipaaEnabled: bool | None = None
    pciEnabled: bool | None = None
    securityFilterPlan: Object | None = None
    recordingConsentPlan: RecordingConsentPlan | None = None


class ObservabilityPlan(Strict):
    """An outside service that traces the conversation."""

    provider: Literal["langfuse"]
    tags: Annotated[list[Text], Field(max_length=100)] | None = None
    metadata: Object | None = None
    promptName: Text | None = None
    promptVersion: Number | None = None
