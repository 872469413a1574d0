"""An engine's account of itself: how busy it is, how many ticks were late or too long."""

from aywa.media.load import TICK_S, LoadMeter

START = 100.0


def run(meter: LoadMeter, ticks: int, *, busy_s: float, lag_s: float = 0.0, at: int = 0) -> float:
    """Ticks of so much work, each `lag_s` behind its time; gives the time afterwards."""
    for number in range(at + 1, at + ticks + 1):
        due = START + number * TICK_S
        meter.begin(due + lag_s, due, number * (TICK_S - busy_s))
        meter.end(busy_s)
    return START + (at + ticks) * TICK_S + busy_s


def test_the_busy_share_follows_the_work_within_seconds() -> None:
    meter = LoadMeter(START)
    now = run(meter, 250, busy_s=0.005)
    load = meter.report(now, 7, 3)
    assert abs(load.busy - 0.25) < 0.01
    assert (load.streams, load.send_errors, load.ticks) == (7, 3, 250)
    assert (load.late, load.late_ticks, load.overruns) == (0.0, 0, 0)


def test_late_ticks_and_long_ones_are_counted() -> None:
    meter = LoadMeter(START)
    run(meter, 50, busy_s=0.002)
    run(meter, 3, busy_s=0.002, lag_s=0.012, at=50)
    now = run(meter, 2, busy_s=0.021, at=53)
    load = meter.report(now, 0, 0)
    assert (load.ticks, load.late_ticks, load.overruns) == (55, 3, 2)
    assert 0.04 < load.late < 0.06


def test_ticks_that_were_never_made_are_late_ones() -> None:
    meter = LoadMeter(START)
    meter.skip(0.3)
    load = meter.report(START, 0, 0)
    assert (load.ticks, load.late_ticks) == (15, 15)
    assert load.late > 0.25


def test_a_report_is_due_once_a_second() -> None:
    meter = LoadMeter(START)
    assert not meter.due(START + 0.99)
    assert meter.due(START + 1.0)
    meter.report(START + 1.0, 0, 0)
    assert not meter.due(START + 1.5)
