"""What is answered but never sent: calls, timelines, problems. For the OpenAPI document only."""

from typing import Literal

from .fields import Name, Number, Object, Open, Strict, Text


class Call(Open):
    """A call. Keys that have no value yet are absent."""

    id: Text
    orgId: Text
    createdAt: Text
    updatedAt: Text
    type: Literal["inboundPhoneCall", "outboundPhoneCall"] | None = None
    status: Literal["queued", "ringing", "in-progress", "ended"] | None = None
    name: Name | None = None
    phoneNumberId: Text | None = None
    assistantId: Text | None = None
    customer: Object | None = None
    startedAt: Text | None = None
    endedAt: Text | None = None
    endedReason: Text | None = None
    messages: list[Object] | None = None
    artifact: Object | None = None


class TimelineEntry(Strict):
    """One thing that happened in a call."""

    seq: Number
    time: Text
    source: Literal["log", "message", "status", "media", "sip", "warning", "artifact"]
    type: Text
    data: Object


class Timeline(Strict):
    """Items of a call's timeline; ask again with `after` set to `nextAfter`."""

    callId: Text
    items: list[TimelineEntry]
    nextAfter: Number


class Problem(Strict):
    """Why a request was not fulfilled."""

    message: Text | list[Text]
    error: Text
    statusCode: Number
