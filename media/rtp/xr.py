"""The VoIP metrics of an RTCP extended report as a value (RFC 3611 §4.7)."""

import struct
from typing import NamedTuple

BLOCK_TYPE = 7
UNAVAILABLE = 127
GMIN = 16
"""Packets in a row that must come for a burst of losses to be over (RFC 3611 §4.7.2)."""

_FORMAT = struct.Struct("!BBH I BBBB HHHH BBBB BBBB BBHHH")
_WORDS = _FORMAT.size // 4 - 1  # as the block's header tells them
_HEADER = struct.Struct("!BBH")


class VoipMetrics(NamedTuple):
    """How one source was heard. Rates and densities are fractions, times milliseconds.

    Unknown levels, qualities and MOS values are None.
    """

    ssrc: int
    loss_rate: float
    discard_rate: float
    """Came, but too late to be heard."""
    burst_density: float
    """Share lost or discarded within bursts."""
    gap_density: float
    burst_ms: float
    """Mean length."""
    gap_ms: float
    round_trip_ms: float = 0.0
    end_system_ms: float = 0.0
    r_factor: float | None = None
    mos_lq: float | None = None
    """Listening quality."""
    mos_cq: float | None = None
    """Conversational quality: delay counts too."""
    gmin: int = GMIN
    receiver: int = 0
    """The RX configuration octet: concealment, jitter buffer."""
    buffer_ms: int = 0
    buffer_max_ms: int = 0
    buffer_limit_ms: int = 0

    def __bytes__(self) -> bytes:
        return _FORMAT.pack(
            BLOCK_TYPE,
            0,
            _WORDS,
            self.ssrc,
            _share(self.loss_rate),
            _share(self.discard_rate),
            _share(self.burst_density),
            _share(self.gap_density),
            _time(self.burst_ms),
            _time(self.gap_ms),
            _time(self.round_trip_ms),
            _time(self.end_system_ms),
            *(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE),  # signal, noise, echo return loss
            self.gmin,
            _quality(self.r_factor, 1),
            UNAVAILABLE,
            _quality(self.mos_lq, 10),
            _quality(self.mos_cq, 10),
            self.receiver,
            0,
            _time(self.buffer_ms),
            _time(self.buffer_max_ms),
            _time(self.buffer_limit_ms),
        )


def metrics_of(body: bytes) -> tuple[VoipMetrics, ...]:
    """The VoIP metrics among the blocks of an extended report; others are passed over.

    Raises struct.error if a block is cut short.
    """
    found = []
    at = 0
    while at < len(body):
        kind, _, words = _HEADER.unpack_from(body, at)
        if at + 4 + 4 * words > len(body):
            raise struct.error("a block that exceeds its report")
        if kind == BLOCK_TYPE and words == _WORDS:
            found.append(_read(_FORMAT.unpack_from(body, at)))
        at += 4 + 4 * words
    return tuple(found)


def _read(values: tuple[int, ...]) -> VoipMetrics:
    _, _, _, ssrc, loss, discard, burst, gap, burst_ms, gap_ms, way, end, *rest = values
    _, _, _, gmin, r_factor, _, mos_lq, mos_cq, receiver, _, buffer, most, limit = rest
    return VoipMetrics(
        ssrc=ssrc,
        loss_rate=loss / 256,
        discard_rate=discard / 256,
        burst_density=burst / 256,
        gap_density=gap / 256,
        burst_ms=burst_ms,
        gap_ms=gap_ms,
        round_trip_ms=way,
        end_system_ms=end,
        r_factor=None if r_factor == UNAVAILABLE else r_factor,
        mos_lq=None if mos_lq == UNAVAILABLE else mos_lq / 10,
        mos_cq=None if mos_cq == UNAVAILABLE else mos_cq / 10,
        gmin=gmin,
        receiver=receiver,
        buffer_ms=buffer,
        buffer_max_ms=most,
        buffer_limit_ms=limit,
    )


def _share(fraction: float) -> int:
    return _within(int(fraction * 256), 255)


def _time(milliseconds: float) -> int:
    return _within(round(milliseconds), 0xFFFF)


def _quality(value: float | None, scale: int) -> int:
    return UNAVAILABLE if value is None else _within(round(value * scale), UNAVAILABLE - 1)


def _within(value: int, most: int) -> int:
    return value if 0 <= value <= most else most if value > 0 else 0
