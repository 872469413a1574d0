"""RTCP of every stream: a report of ours every five seconds or so, and what the peer's say.

One packet every few seconds and stream: packets are built and read as values (`rtp/rtcp.py`).
"""

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from .quality import Reception
from .rtp import rtcp
from .sender import FRAME, Sender
from .streams import Columns, Rows, column

INTERVAL_S = 5.0
"""Mean; each interval is 0.5 to 1.5 times as long (RFC 3550 §6.2)."""


class Reports(Columns):
    """When each row reports next, and what it knows of the peer's reports."""

    next_at: NDArray[np.float64] = column(np.float64)
    heard_sr: NDArray[np.int64] = column(np.int64)
    """Middle 32 bits of the peer's last NTP time; 0 before the first report."""
    heard_sr_at: NDArray[np.float64] = column(np.float64)
    round_trip_s: NDArray[np.float64] = column(np.float64, default=np.nan)

    def __init__(self, reception: Reception, sender: Sender, entropy: Entropy) -> None:
        super().__init__()
        self._reception = reception
        self._sender = sender
        self._entropy = entropy

    def open(self, row: int, now: float) -> None:
        """The row's first report comes within half an interval."""
        self.next_at[row] = now + self._interval() / 2

    def due(self, rows: Rows, now: float) -> Rows:
        """The rows whose report is due."""
        return rows[self.next_at[rows] <= now]

    def report(self, row: int, now: float, wall: float, *, goodbye: bool = False) -> bytes:
        """The compound packet of the row; times are monotonic and epoch seconds."""
        self.next_at[row] = now + self._interval()
        ssrc = int(self._sender.ssrc[row])
        blocks = self._blocks(row, now)
        packets = int(self._sender.packets[row])
        first: rtcp.RtcpPacket = rtcp.ReceiverReport(ssrc, blocks)
        if packets:
            stamp = int(self._sender.timestamp[row])
            octets = packets * FRAME
            first = rtcp.SenderReport(ssrc, rtcp.ntp_time(wall), stamp, packets, octets, blocks)
        compound = [first, rtcp.SourceDescription(ssrc, f"aywa-{ssrc:08x}")]
        return rtcp.build([*compound, rtcp.Goodbye((ssrc,))] if goodbye else compound)

    def receive(self, row: int, data: bytes, now: float, wall: float) -> None:
        """Take the peer's compound packet. Raises RtpError."""
        for packet in rtcp.parse(data):
            if isinstance(packet, rtcp.SenderReport):
                self.heard_sr[row] = packet.ntp >> 16 & 0xFFFF_FFFF
                self.heard_sr_at[row] = now
            if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
                self._take_blocks(row, packet.blocks, wall)

    def _take_blocks(self, row: int, blocks: tuple[rtcp.ReportBlock, ...], wall: float) -> None:
        for block in blocks:
            if block.ssrc == self._sender.ssrc[row]:
                way = rtcp.round_trip_s(block, rtcp.ntp_time(wall))
                if way is not None:
                    self.round_trip_s[row] = way

    def _blocks(self, row: int, now: float) -> tuple[rtcp.ReportBlock, ...]:
        reception = self._reception
        if not reception.started[row]:
            return ()
        heard = int(self.heard_sr[row])
        held = round((now - self.heard_sr_at[row]) * 65_536) if heard else 0
        block = rtcp.ReportBlock(
            ssrc=int(reception.ssrc[row]),
            fraction_lost=reception.interval_loss(row),
            lost=reception.lost(row),
            highest_sequence=int(reception.highest[row]) & 0xFFFF_FFFF,
            jitter=int(reception.jitter[row]),
            last_sr=heard,
            delay_since_sr=held,
        )
        return (block,)

    def _interval(self) -> float:
        return INTERVAL_S * (0.5 + self._entropy.integer(16) / 65_536)
