"""The call: the request that places one, and the changes an existing one takes."""

from typing import Any, Literal

from pydantic import Field, model_validator

from .assistant import Assistant, AssistantOverrides
from .fields import (
    Dialled,
    Digits,
    Id,
    Moment,
    Name,
    Number,
    Object,
    SipUri,
    Strict,
    check_dialled,
    listed,
    missing_field,
    within,
    wrong_field,
)

NO_PHONE_NUMBER = "Couldn't Get Phone Number. Need Either phoneNumberId Or phoneNumber."

_NOT_OFFERED = {
    "squadId": "give assistantId or assistant",
    "squad": "give assistantId or assistant",
    "squadOverrides": "give assistantOverrides",
    "phoneNumber": "give phoneNumberId",
    "customerId": "give customer",
    "customers": "place one call for each customer",
    "schedulePlan": "place the call when it is due",
    "workflowId": "give assistantId or assistant",
    "workflow": "give assistantId or assistant",
    "workflowOverrides": "give assistantOverrides",
}
"""Fields whose meaning this version cannot fulfil, and what to do instead. A call that was placed
as if they were not there would not be the call that was asked for."""


class Customer(Strict):
    """Who is called: a number, or a SIP address."""

    number: Dialled | None = None
    numberE164CheckEnabled: bool | None = None
    sipUri: SipUri | None = None
    extension: Digits | None = None
    name: Name | None = None
    email: Name | None = None
    externalId: Name | None = None
    assistantOverrides: AssistantOverrides | None = None
    squadOverrides: Object | None = None

    @model_validator(mode="after")
    def _can_be_called(self) -> "Customer":
        if self.number is None and self.sipUri is None:
            raise missing_field("number", "unless sipUri is given")
        check_dialled(self.number, self.numberE164CheckEnabled)
        return self


class SchedulePlan(Strict):
    """When a call is to be placed."""

    earliestAt: Moment
    latestAt: Moment | None = None


class AudioFormat(Strict):
    """The audio of a WebSocket call."""

    format: Literal["pcm_s16le", "mulaw"] | None = None
    container: Literal["raw"] | None = None
    sampleRate: Number | None = within(0, 192_000)


class Transport(Strict):
    """How the call's media travels."""

    provider: Literal["vapi.sip", "vapi.websocket", "daily", "twilio", "vonage", "telnyx"]
    dialTimeout: Number | None = within(0, 600)
    audioFormat: AudioFormat | None = None
    conversationType: Literal["voice"] | None = None

    @model_validator(mode="after")
    def _is_offered(self) -> "Transport":
        if self.provider != "vapi.sip":
            raise wrong_field("provider", "may only be vapi.sip in this version")
        return self


class CallRequest(Strict):
    """A call to be placed."""

    assistantId: Id | None = None
    assistant: Assistant | None = None
    assistantOverrides: AssistantOverrides | None = None
    assistantVersion: Name | None = None
    squadId: Id | None = None
    squad: Object | None = None
    squadOverrides: Object | None = None
    squadVersion: Name | None = None
    workflowId: Id | None = None
    workflow: Object | None = None
    workflowOverrides: Object | None = None
    phoneNumberId: Id | None = None
    phoneNumber: Object | None = None
    customer: Customer | None = None
    customerId: Id | None = None
    customers: list[Customer] | None = listed()
    transport: Transport | None = None
    name: Name | None = None
    schedulePlan: SchedulePlan | None = None

    @model_validator(mode="after")
    def _can_be_placed(self) -> "CallRequest":
        for field, instead in _NOT_OFFERED.items():
            if getattr(self, field) is not None:
                raise wrong_field(field, f"is not supported by this version: {instead}")
        if self.assistantId is None and self.assistant is None:
            raise missing_field("assistantId", "unless assistant is given")
        if self.assistantId is not None and self.assistant is not None:
            raise wrong_field("assistant", "must not be given together with assistantId")
        if self.customer is None:
            raise missing_field("customer", "to place a call: give its number or sipUri")
        return self


class CallChange(Strict):
    """What can be changed of an existing call."""

    name: Name | None = None


class ControlMessage(Strict):
    """A message added to the conversation of a live call."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = Field(max_length=100_000)


class SayRequest(Strict):
    """Say something in a live call."""

    type: Literal["say"]
    content: str = Field(min_length=1, max_length=10_000)
    endCallAfterSpoken: bool | None = None
    interruptionsEnabled: bool | None = None
    interruptAssistantEnabled: bool | None = None


class AddMessageRequest(Strict):
    """Add a message to the conversation of a live call."""

    type: Literal["add-message"]
    message: ControlMessage
    triggerResponseEnabled: bool | None = None


class EndCallRequest(Strict):
    """End a live call."""

    type: Literal["end-call"]


class DtmfRequest(Strict):
    """Press keys in a live call."""

    type: Literal["dtmf"]
    digits: Digits
    method: Literal["rfc4733", "info", "inband"] | None = None


class TransferDestination(Strict):
    """Where a call is sent."""

    type: Literal["number", "sip"]
    number: Dialled | None = None
    sipUri: SipUri | None = None

    @model_validator(mode="after")
    def _names_a_target(self) -> "TransferDestination":
        if self.type == "number" and self.number is None:
            raise missing_field("number", "when type is number")
        if self.type == "sip" and self.sipUri is None:
            raise missing_field("sipUri", "when type is sip")
        return self


class TransferRequest(Strict):
    """Send a live call somewhere else."""

    type: Literal["transfer"]
    destination: TransferDestination


CONTROLS: dict[str, type[Strict]] = {
    "say": SayRequest,
    "add-message": AddMessageRequest,
    "end-call": EndCallRequest,
    "dtmf": DtmfRequest,
    "transfer": TransferRequest,
}


def lacks_phone_number(body: dict[str, Any]) -> bool:
    """Whether a call request names no phone number to call from."""
    return body.get("phoneNumberId") is None and body.get("phoneNumber") is None
