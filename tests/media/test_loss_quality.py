"""How losses lie, what the line was worth, and what the peer is told of it."""

import struct
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.media import emodel
from aywa.media.bursts import Bursts, LossPattern
from aywa.media.rtp import rtcp
from aywa.media.rtp.xr import GMIN, VoipMetrics

from .conftest import Bench, noise


def pattern(fates: str, cuts: tuple[int, ...] = ()) -> LossPattern:
    """`x` is missing, `.` came; taken in pieces that end at `cuts`."""
    bursts = Bursts()
    bursts.allocate(1)
    ends = [*sorted(cut for cut in cuts if cut < len(fates)), len(fates)]
    for begin, end in zip([0, *ends], ends, strict=False):
        bursts.take(0, np.array([fate == "x" for fate in fates[begin:end]], np.bool_))
    return bursts.pattern(0)


def test_a_burst_ends_where_sixteen_came() -> None:
    got = pattern("." * 100 + "x.x..x" + "." * GMIN + "x" + "." * 77)
    assert (got.packets, got.missing, got.bursts) == (200, 4, 1)
    assert (got.burst_length, got.burst_density) == (6, 0.5)
    assert got.gap_density == pytest.approx(1 / 194)
    assert got.gap_length == 97


def test_single_losses_are_no_bursts() -> None:
    got = pattern(("x" + "." * 20) * 5)
    assert (got.bursts, got.burst_density, got.burst_ratio) == (0, 0, 1)
    assert got.gap_density == pytest.approx(5 / 105)


def test_losses_in_a_row_weigh_more_than_as_many_alone() -> None:
    alone, together = pattern(("x" + "." * 19) * 10), pattern("x" * 10 + "." * 190)
    assert alone.missing == together.missing
    assert together.burst_ratio == pytest.approx(10 * 0.95)


@given(st.text("x.", max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_the_pieces_do_not_matter_and_every_loss_is_somewhere(fates: str, cuts: list[int]) -> None:
    got = pattern(fates, tuple(cuts))
    assert got == pattern(fates)
    clusters = [c.strip(".") for c in fates.replace("." * GMIN, " ").split()]
    real = [cluster for cluster in clusters if cluster.count("x") > 1]
    assert got.bursts == len(real)
    inside = sum(map(len, real))
    assert got.burst_length * got.bursts == pytest.approx(inside)
    lost = got.burst_density * inside + got.gap_density * (len(fates) - inside)
    assert lost == pytest.approx(fates.count("x"))
    runs = sum(1 for fate, _ in groupby(fates) if fate == "x")
    if runs:
        ratio = fates.count("x") / runs * (1 - fates.count("x") / len(fates))
        assert got.burst_ratio == pytest.approx(max(ratio, 1))


def test_the_rating_of_known_lines() -> None:
    assert emodel.r_factor(loss=0) == 93.2
    assert emodel.mos(93.2) == pytest.approx(4.41, abs=0.01)
    assert emodel.mos(50) == pytest.approx(2.58, abs=0.01)
    assert (emodel.mos(0), emodel.mos(-5), emodel.mos(110)) == (1, 1, 4.5)
    assert emodel.r_factor(loss=0.05) == pytest.approx(93.2 - 95 * 5 / 30.1)
    assert emodel.r_factor(loss=0, delay_ms=300) == pytest.approx(93.2 - 7.2 - 13.497)
    assert emodel.r_factor(loss=0.05, burst_ratio=4) < emodel.r_factor(loss=0.05)
    assert emodel.r_factor(loss=1, burst_ratio=50, delay_ms=5_000) == 0


def talk(bench: Bench, fates: str) -> None:
    caller = bench.open()
    for fate in fates:
        packet = caller.audio(noise(160))
        bench.tick(*[] if fate == "x" else [(caller, packet)])


def test_a_clean_call_is_as_good_as_it_gets(bench: Bench) -> None:
    talk(bench, "." * 400)
    report = bench.close().report
    assert (report.bursts, report.burst_density, report.gap_density) == (0, 0, 0)
    assert report.r_factor == pytest.approx(92.2, abs=0.1)
    assert report.mos == pytest.approx(4.39, abs=0.02)


def test_a_bad_call_tells_its_bursts(bench: Bench) -> None:
    talk(bench, "." * 100 + "xxx..xx" + "." * 60 + "x" + "." * 100)
    report = bench.close().report
    assert (report.lost, report.bursts, report.burst_ms) == (6, 1, 140)
    assert report.burst_density == pytest.approx(5 / 7, abs=1e-4)
    assert report.gap_density == pytest.approx(1 / 261, abs=1e-4)
    assert report.mos
    assert 1 < report.mos < 4.3


def test_a_stream_that_heard_nothing_has_no_rating(bench: Bench) -> None:
    bench.open()
    bench.ticks(10)
    report = bench.close().report
    assert (report.mos, report.r_factor, report.bursts) == (None, None, 0)


def test_overtaken_packets_are_not_missing_and_late_ones_are(bench: Bench) -> None:
    caller = bench.open()
    packets = [caller.audio(noise(160)) for _ in range(200)]
    packets[50], packets[51] = packets[51], packets[50]
    late = packets.pop(100)
    packets.insert(110, late)
    for packet in packets:
        bench.tick((caller, packet))
    report = bench.close().report
    assert (report.lost, report.late) == (0, 1)
    assert report.gap_density == pytest.approx(1 / 200, abs=1e-4)


@pytest.mark.parametrize("step", [33, 118, 128, 500, 2_500])
def test_a_long_hole_is_one_burst_of_its_length(bench: Bench, step: int) -> None:
    caller = bench.open()
    for _ in range(70):
        bench.tick((caller, caller.audio(noise(160))))
    for _ in range(step):
        caller.audio(noise(160))
    for _ in range(70):
        bench.tick((caller, caller.audio(noise(160))))
    report = bench.close().report
    assert (report.lost, report.bursts, report.burst_ms) == (step, 1, step * 20)


def metrics(compound: bytes) -> VoipMetrics:
    for packet in rtcp.parse(compound):
        if isinstance(packet, rtcp.ExtendedReport):
            return packet.metrics[0]
    raise AssertionError("no extended report was sent")


def test_the_peer_is_told_with_every_report(bench: Bench) -> None:
    talk(bench, ("." * 40 + "xx") * 12)
    during = metrics(bench.control["a"][-1])
    assert 0.02 < during.loss_rate < 0.06
    bench.close()
    told = metrics(bench.control["closed"][-1])
    assert told.ssrc == 77
    assert told.loss_rate == pytest.approx(22 / 502, abs=1 / 256)
    assert (told.discard_rate, told.burst_density, told.gmin) == (0, 255 / 256, 16)
    assert told.burst_ms == 40
    assert told.r_factor
    assert told.mos_cq
    assert told.mos_lq
    assert told.mos_lq >= told.mos_cq


def test_a_report_of_a_peer_that_sent_nothing_has_no_metrics(bench: Bench) -> None:
    bench.open()
    bench.ticks(400)
    kinds = {packet[1] for packet in bench.control["a"]}
    assert kinds == {200}
    for packet in bench.control["a"]:
        assert not any(isinstance(one, rtcp.ExtendedReport) for one in rtcp.parse(packet))
    assert struct.unpack_from("!B", bench.control["a"][0])[0] & 0x1F == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([".", ".", ".", ".", "x", "x" * 40]), max_size=80))
def test_the_bursts_agree_with_the_losses(fates: list[str]) -> None:
    bench = Bench()
    sent = "." + "".join(fates) + "."
    talk(bench, sent)
    report = bench.close().report
    assert report.lost == sent.count("x")
    inside = report.burst_ms / 20 * report.bursts
    lost = report.burst_density * inside + report.gap_density * (len(sent) - inside)
    assert lost == pytest.approx(sent.count("x"), abs=0.5)
