"""What the peer's packets may be, and which of them is what."""

import numpy as np
from numpy.typing import NDArray

from ..codecs.g711 import PAYLOAD_TYPE
from . import comfort
from .plane import ConfigureStream
from .rtp.telephone_event import CLOCK_RATE as EVENT_CLOCK
from .sender import CODECS, LAWS
from .streams import Columns, Rows, column

UNKNOWN, EVENT, NOISE = -1, -2, -3
"""What a packet is that holds no audio: not agreed on, a telephone event, comfort noise."""

_STATIC = np.full(128, UNKNOWN)
for _number, _law in enumerate(LAWS):
    _STATIC[PAYLOAD_TYPE[_law]] = _number
_STATIC[comfort.PAYLOAD_TYPE] = NOISE


class Formats(Columns):
    """What was agreed on for each row, and what came last."""

    law: NDArray[np.int64] = column(np.int64)
    """Codec of the last audio packet, an index into CODECS."""
    agreed_law: NDArray[np.int64] = column(np.int64)
    payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    event_payload_type: NDArray[np.int64] = column(np.int64, default=-1)
    event_clock: NDArray[np.int64] = column(np.int64, default=EVENT_CLOCK)
    samples: NDArray[np.int64] = column(np.int64)
    """Heard so far."""
    tapped: NDArray[np.bool_] = column(np.bool_, default=True)
    """What is heard is told."""
    packet_at: NDArray[np.float64] = column(np.float64)
    """When the last valid packet came."""

    def agree(self, row: int, command: ConfigureStream) -> None:
        """The peer sends as agreed from now on."""
        law = CODECS.index(command.codec)
        if self.payload_type[row] < 0:
            self.law[row] = law
        self.agreed_law[row] = law
        self.payload_type[row] = command.payload_type
        event = command.event_payload_type
        self.event_payload_type[row] = -1 if event is None else event
        self.event_clock[row] = command.event_clock_rate

    def sort(self, rows: Rows, payload_type: NDArray[np.int64]) -> NDArray[np.int64]:
        """What each packet is: its codec, an index into CODECS, or EVENT, NOISE or UNKNOWN.

        The static payload types of G.711 always mean their law.
        """
        sort = _STATIC[payload_type]
        sort[payload_type == self.event_payload_type[rows]] = EVENT
        return np.where(payload_type == self.payload_type[rows], self.agreed_law[rows], sort)
