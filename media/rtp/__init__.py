"""RTP and RTCP (RFC 3550), telephone events (RFC 4733): packets as values and as array columns."""

from ...base.errors import AywaError


class RtpError(AywaError):
    """A packet breaks the protocol; the message says what was expected and what came."""


__all__ = ["RtpError"]
