"""Brings each SIP message to the capture of the call it belongs to.

The first messages of a call pass before its RTP stream, and so its capture, is open. They are kept
here, a bounded number, until the leg claims them.
"""

from collections import OrderedDict
from collections.abc import Callable

from ..sip.events import WireMessage

MESSAGES_KEPT = 64  # per SIP call that nobody claimed yet
CALLS_KEPT = 1_024

Sink = Callable[[WireMessage], None]


class WireLog:
    """SIP messages by Call-ID: kept until claimed, then passed on."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[WireMessage]] = OrderedDict()
        self._sinks: dict[str, Sink] = {}

    def write(self, message: WireMessage) -> None:
        """Take one message that crossed the wire."""
        sink = self._sinks.get(message.call_id)
        if sink:
            sink(message)
            return
        kept = self._kept.setdefault(message.call_id, [])
        if len(kept) < MESSAGES_KEPT:
            kept.append(message)
        if len(self._kept) > CALLS_KEPT:
            self._kept.popitem(last=False)

    def claim(self, call_id: str, sink: Sink) -> None:
        """Send what was kept for `call_id`, and everything to come, to `sink`."""
        for message in self._kept.pop(call_id, []):
            sink(message)
        self._sinks[call_id] = sink

    def release(self, call_id: str) -> None:
        """The call's capture is complete; later messages are dropped with the next clean-up."""
        self._sinks.pop(call_id, None)
