"""The phone number: what a caller dials, and who answers."""

from typing import Literal

from pydantic import model_validator

from .fields import (
    Dialled,
    Id,
    Name,
    Object,
    Open,
    SipUri,
    Strict,
    Text,
    Url,
    check_dialled,
    listed,
    missing_field,
)
from .hooks import Hook
from .server import Server


class SipAuthentication(Strict):
    """The digest credentials of a SIP user."""

    username: Text
    password: Text
    realm: Text | None = None


class FallbackDestination(Open):
    """Where a call goes when nobody else takes it."""

    type: Literal["number", "sip"]
    number: Dialled | None = None
    sipUri: SipUri | None = None
    numberE164CheckEnabled: bool | None = None
    extension: Name | None = None
    callerId: Name | None = None
    message: Text | None = None
    description: Text | None = None
    transferPlan: Object | None = None

    @model_validator(mode="after")
    def _names_a_target(self) -> "FallbackDestination":
        if self.type == "number":
            if self.number is None:
                raise missing_field("number", "when type is number")
            check_dialled(self.number, self.numberE164CheckEnabled)
        elif self.sipUri is None:
            raise missing_field("sipUri", "when type is sip")
        return self


class PhoneNumber(Strict):
    """A number of a SIP trunk (`byo-phone-number`) or a SIP user of this runtime (`vapi`)."""

    provider: Literal["byo-phone-number", "vapi", "twilio", "vonage", "telnyx"]
    number: Dialled | None = None
    numberE164CheckEnabled: bool | None = None
    credentialId: Id | None = None
    name: Name | None = None
    assistantId: Id | None = None
    squadId: Id | None = None
    workflowId: Id | None = None
    server: Server | None = None
    serverUrl: Url | None = None
    serverUrlSecret: Text | None = None
    fallbackDestination: FallbackDestination | None = None
    hooks: list[Hook] | None = listed(100)
    sipUri: SipUri | None = None
    authentication: SipAuthentication | None = None
    smsEnabled: bool | None = None
    numberDesiredAreaCode: Name | None = None
    twilioPhoneNumber: Text | None = None
    twilioAccountSid: Text | None = None
    twilioAuthToken: Text | None = None
    twilioApiKey: Text | None = None
    twilioApiSecret: Text | None = None

    @model_validator(mode="after")
    def _can_be_dialled(self) -> "PhoneNumber":
        check_dialled(self.number, self.numberE164CheckEnabled)
        if self.provider == "byo-phone-number" and self.number is None:
            raise missing_field("number", "when provider is byo-phone-number")
        if self.provider == "vapi" and self.sipUri is None and self.number is None:
            raise missing_field("sipUri", "when provider is vapi and there is no number")
        return self
