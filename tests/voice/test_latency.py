"""Whose milliseconds: overlaps are counted once and the parts add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.voice.latency import Checkpoints, TurnEnd, TurnLatency

PARTS = ("endpointing", "transcriber", "decision", "model", "text", "voice", "hold", "playout")


def parts(latency: TurnLatency) -> dict[str, float]:
    return {name: round(getattr(latency, f"{name}_ms"), 6) for name in PARTS}


def test_every_part_has_its_time() -> None:
    end = TurnEnd(last_speech_at=10.0, policy_until=10.3, finalize_at=10.2, settled_at=10.45)
    marks = Checkpoints(end, 10.46, 10.8, 10.9, 11.0, hold_until=11.1)
    latency = marks.report(7, 11.115)
    assert parts(latency) == {
        "endpointing": 300,
        "transcriber": 150,  # from 10.2 it ran, but until 10.3 it cost nothing
        "decision": 10,
        "model": 340,
        "text": 100,
        "voice": 100,
        "hold": 100,
        "playout": 15,
    }
    assert latency.own_ms == pytest.approx(25)
    assert latency.total_ms == pytest.approx(1115)


def test_a_late_finalize_is_ours_and_not_the_transcribers() -> None:
    end = TurnEnd(last_speech_at=10.0, policy_until=10.2, finalize_at=10.25, settled_at=10.4)
    latency = Checkpoints(end, 10.4, 10.5, 10.5, 10.5).report(1, 10.5)
    assert latency.transcriber_ms == pytest.approx(150)
    assert latency.decision_ms == pytest.approx(50)


def test_a_transcriber_that_was_done_before_the_policy_costs_nothing() -> None:
    end = TurnEnd(last_speech_at=10.0, policy_until=10.5, finalize_at=10.2, settled_at=10.3)
    latency = Checkpoints(end, 10.5, 10.5, 10.5, 10.5).report(1, 10.5)
    assert parts(latency) == dict.fromkeys(PARTS, 0.0) | {"endpointing": 500}


TIMES = st.floats(0.0, 100.0)
MAYBE = st.none() | TIMES


@given(TIMES, TIMES, TIMES, TIMES, TIMES, MAYBE, MAYBE, MAYBE, TIMES, TIMES)
def test_the_parts_add_up_whatever_the_order(
    last: float,
    policy: float,
    asked: float,
    settled: float,
    requested: float,
    token: float | None,
    unit: float | None,
    audio: float | None,
    hold: float,
    started: float,
) -> None:
    marks = Checkpoints(TurnEnd(last, policy, asked, settled), requested, token, unit, audio, hold)
    latency = marks.report(1, started)
    values = parts(latency).values()
    assert sum(values) == pytest.approx(latency.total_ms, abs=0.001)
    assert min(values) >= -0.001
    assert latency.total_ms == pytest.approx(max(0.0, started - last) * 1000, abs=0.001)
