"""The target of webhooks."""

from typing import Literal

from .fields import Count, Id, Number, Object, Strict, Text, Url, listed, within


class BackoffPlan(Strict):
    """How a failed delivery is tried again; absent means not at all."""

    type: Literal["fixed", "exponential"] | None = None
    maxRetries: Count | None = within(0, 10)
    baseDelaySeconds: Number | None = within(0, 10)
    excludedStatusCodes: list[Number] | None = listed(100)


class Server(Strict):
    """Where webhooks are sent, and how."""

    url: Url | None = None
    timeoutSeconds: Number | None = within(1, 300)
    headers: Object | None = None
    credentialId: Id | None = None
    backoffPlan: BackoffPlan | None = None
    secret: Text | None = None
    encryptedPaths: list[Text] | None = listed(100)
    staticIpAddressesEnabled: bool | None = None
