"""RTCP of every stream: a report of ours every five seconds or so, and what the peer's say.

One packet every few seconds and stream: packets are built and read as values (`rtp/rtcp.py`).
"""

from functools import lru_cache
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.ids import Entropy
from . import emodel
from .bursts import LossPattern
from .jitter import MAX_WAIT, MIN_WAIT
from .quality import Reception, Tally
from .rtp import rtcp
from .rtp.xr import VoipMetrics
from .sender import Sender
from .streams import Columns, Rows, column

TICK_MS = 20
END_SYSTEM_MS = 40.0
"""Delay of our end: one packet being filled at the peer, one tick until it is heard."""
RECEIVER = 0b1111_0000
"""Standard concealment, a jitter buffer that adapts (RFC 3611 §4.7.7)."""
INTERVAL_S = 5.0
"""Mean; each interval is 0.5 to 1.5 times as long (RFC 3550 §6.2)."""


class Reports(Columns):
    """When each row reports next, and what it knows of the peer's reports."""

    next_at: NDArray[np.float64] = column(np.float64)
    heard_sr: NDArray[np.int64] = column(np.int64)
    """Middle 32 bits of the peer's last NTP time; 0 before the first report."""
    heard_sr_at: NDArray[np.float64] = column(np.float64)
    round_trip_s: NDArray[np.float64] = column(np.float64, default=np.nan)

    def __init__(
        self, reception: Reception, tally: Tally, sender: Sender, entropy: Entropy
    ) -> None:
        super().__init__()
        self._tally = tally
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
            octets = int(self._sender.octets[row])
            first = rtcp.SenderReport(ssrc, rtcp.ntp_time(wall), stamp, packets, octets, blocks)
        more: list[rtcp.RtcpPacket] = []
        if blocks:
            more.append(rtcp.ExtendedReport(ssrc, (self._metrics(row),)))
        if goodbye:
            more.append(rtcp.Goodbye((ssrc,)))
        return rtcp.build([first]) + _description(ssrc) + rtcp.build(more)

    def quality(self, row: int) -> dict[str, Any]:
        """The fields of a StreamReport that tell how well the peer was heard."""
        pattern = self._reception.bursts.pattern(row)
        if not pattern.packets:
            return {}
        rating = self._rating(pattern, self._delay_ms(row))
        return {
            "bursts": pattern.bursts,
            "burst_ms": round(pattern.burst_length * self._packet_ms(row), 1),
            "burst_density": round(pattern.burst_density, 4),
            "gap_density": round(pattern.gap_density, 4),
            "r_factor": round(rating, 1),
            "mos": round(emodel.mos(rating), 2),
        }

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

    def _metrics(self, row: int) -> VoipMetrics:
        reception = self._reception
        pattern = reception.bursts.pattern(row)
        packets = max(pattern.packets, 1)
        late = min(int(self._tally.late[row]), pattern.missing)
        rating = self._rating(pattern, self._delay_ms(row))
        listening = self._rating(pattern, 0.0)
        return VoipMetrics(
            ssrc=int(reception.ssrc[row]),
            loss_rate=(pattern.missing - late) / packets,
            discard_rate=late / packets,
            burst_density=pattern.burst_density,
            gap_density=pattern.gap_density,
            burst_ms=pattern.burst_length * self._packet_ms(row),
            gap_ms=pattern.gap_length * self._packet_ms(row),
            round_trip_ms=self._way_s(row) * 1000,
            end_system_ms=END_SYSTEM_MS,
            r_factor=rating,
            mos_lq=emodel.mos(listening),
            mos_cq=emodel.mos(rating),
            receiver=RECEIVER,
            buffer_ms=TICK_MS * MIN_WAIT,
            buffer_max_ms=TICK_MS * MAX_WAIT,
            buffer_limit_ms=TICK_MS * MAX_WAIT,
        )

    def _delay_ms(self, row: int) -> float:
        """Mouth to ear, as far as it is known."""
        return END_SYSTEM_MS + self._way_s(row) * 500

    def _way_s(self, row: int) -> float:
        """The round trip; 0 as long as it is not known."""
        way = float(self.round_trip_s[row])
        return 0.0 if isnan(way) else way

    def _packet_ms(self, row: int) -> float:
        return float(self._reception.packet_samples[row]) / 8

    @staticmethod
    def _rating(pattern: LossPattern, delay_ms: float) -> float:
        loss = pattern.missing / pattern.packets if pattern.packets else 0.0
        return emodel.r_factor(loss=loss, burst_ratio=pattern.burst_ratio, delay_ms=delay_ms)

    def _interval(self) -> float:
        return INTERVAL_S * (0.5 + self._entropy.integer(16) / 65_536)


@lru_cache(maxsize=8192)
def _description(ssrc: int) -> bytes:
    """The description that goes with every report of a source."""
    return rtcp.build([rtcp.SourceDescription(ssrc, f"aywa-{ssrc:08x}")])
