"""The sender: one packet a tick for every stream that may send, speech or silence.

Sequence numbers and timestamps run on without a gap; the marker bit stands on the first packet of a
talkspurt only (RFC 3551 §4.1).
"""

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from ..codecs import g711
from ..codecs.g711 import PAYLOAD_TYPE, Law
from .rtp import columns
from .streams import Columns, Rows, column

FRAME = 160
PACKET = columns.HEADER_SIZE + FRAME
LAWS: tuple[Law, ...] = ("pcmu", "pcma")


class Sender(Columns):
    """What each row sends, and how far it has come."""

    law: NDArray[np.int64] = column(np.int64)
    """Index into LAWS."""
    payload_type: NDArray[np.int64] = column(np.int64, default=PAYLOAD_TYPE["pcmu"])
    sequence: NDArray[np.int64] = column(np.int64)
    timestamp: NDArray[np.int64] = column(np.int64)
    ssrc: NDArray[np.int64] = column(np.int64)
    speaking: NDArray[np.bool_] = column(np.bool_)
    packets: NDArray[np.int64] = column(np.int64)

    def open(self, row: int, entropy: Entropy) -> None:
        """Give the row its random starting numbers (RFC 3550 §5.1)."""
        self.sequence[row] = entropy.integer(16)
        self.timestamp[row] = entropy.integer(32)
        self.ssrc[row] = entropy.integer(32)

    def packets_of(
        self, rows: Rows, pcm: NDArray[np.int16], active: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """The packets of this tick, one per row, shape (rows, PACKET)."""
        out = np.empty((len(rows), PACKET), np.uint8)
        marker = active & ~self.speaking[rows]
        columns.write_headers(
            out,
            self.payload_type[rows],
            marker,
            self.sequence[rows],
            self.timestamp[rows],
            self.ssrc[rows],
        )
        for number, law in enumerate(LAWS):
            some = self.law[rows] == number
            if some.any():
                out[some, columns.HEADER_SIZE :] = g711.encode(pcm[some], law)
        self.speaking[rows] = active
        self.sequence[rows] = (self.sequence[rows] + 1) & 0xFFFF
        self.packets[rows] += 1
        return out

    def advance(self, rows: Rows) -> None:
        """Media time goes on for every row, also for one that may not send now."""
        self.timestamp[rows] = (self.timestamp[rows] + FRAME) & 0xFFFF_FFFF
