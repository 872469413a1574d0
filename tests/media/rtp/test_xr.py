"""The VoIP metrics block and the packet that carries it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.media.rtp import RtpError, rtcp
from aywa.media.rtp.xr import VoipMetrics, metrics_of

METRICS = VoipMetrics(
    ssrc=0x01020304,
    loss_rate=0.25,
    discard_rate=0.125,
    burst_density=0.5,
    gap_density=1.0,
    burst_ms=120,
    gap_ms=70_000,
    round_trip_ms=35.6,
    end_system_ms=40,
    r_factor=88.4,
    mos_lq=4.3,
    mos_cq=None,
    receiver=0xF0,
    buffer_ms=20,
    buffer_max_ms=100,
    buffer_limit_ms=100,
)


def test_every_field_stands_where_the_standard_puts_it() -> None:
    words = bytes(METRICS)
    assert words == bytes.fromhex(
        "07000008 01020304 402080ff 0078ffff 00240028 7f7f7f10 587f2b7f f0000014 00640064"
    )
    packet = rtcp.build([rtcp.ExtendedReport(9, (METRICS,))])
    assert packet[:8] == bytes.fromhex("80cf000a 00000009")


def test_a_report_is_read_as_it_was_built() -> None:
    [report] = rtcp.parse(rtcp.build([rtcp.ExtendedReport(9, (METRICS,))]))
    assert isinstance(report, rtcp.ExtendedReport)
    [got] = report.metrics
    assert (got.ssrc, got.loss_rate, got.burst_density) == (0x01020304, 0.25, 0.5)
    assert (got.gap_ms, got.round_trip_ms, got.end_system_ms) == (65_535, 36, 40)
    assert (got.r_factor, got.mos_lq, got.mos_cq, got.gmin) == (88, 4.3, None, 16)
    assert (got.receiver, got.buffer_ms, got.buffer_limit_ms) == (0xF0, 20, 100)


def test_other_blocks_are_passed_over() -> None:
    other = struct.pack("!BBHI", 4, 0, 1, 77)
    assert metrics_of(other + bytes(METRICS)) == metrics_of(bytes(METRICS))
    assert metrics_of(other) == ()
    strange = struct.pack("!BBHI", 7, 0, 1, 77) + bytes(40)  # of another length than ours
    assert metrics_of(strange) == ()


@pytest.mark.parametrize("cut", [1, 4, 20])
def test_a_block_cut_short_is_an_error(cut: int) -> None:
    whole = bytes(METRICS)
    body = struct.pack("!I", 9) + whole[: len(whole) - 4 * cut // 4]
    body += bytes(-len(body) % 4)
    packet = struct.pack("!BBH", 0x80, 207, len(body) // 4) + body
    if len(body) == 4 + len(whole):
        assert rtcp.parse(packet)
        return
    with pytest.raises(RtpError):
        rtcp.parse(packet)


@given(st.binary(max_size=120))
def test_any_bytes_are_metrics_or_a_clear_error(body: bytes) -> None:
    body += bytes(-len(body) % 4)
    packet = struct.pack("!BBH", 0x80, 207, len(body) // 4) + body
    try:
        reports = rtcp.parse(packet)
    except RtpError:
        return
    for report in reports:
        assert isinstance(report, rtcp.ExtendedReport)
        for metrics in report.metrics:
            assert bytes(metrics)[:8] in body
