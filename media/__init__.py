"""The media plane: RTP in and out for all calls on one 20 ms tick, recordings, captures, SDP.

Knows codecs; knows nothing of SIP, calls or conversations.
"""

from ..base.errors import AywaError


class MediaError(AywaError):
    """A stream cannot be opened or carried; the message says why and what to do."""


__all__ = ["MediaError"]
