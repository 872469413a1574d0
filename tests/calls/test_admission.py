"""Room for calls that come in, and keys pressed by INFO."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.calls import info_digits
from aywa.calls.admission import AGAIN_S, LEAVING_AGAIN_S, Admission


class HandClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


def test_so_many_at_once_and_so_many_a_second() -> None:
    clock, live = HandClock(), [0]
    admission = Admission(5, 2, clock, lambda: live[0])
    assert admission.turned() is None
    assert admission.turned() is None
    hasty = admission.turned()
    assert hasty is not None
    assert (hasty.status, hasty.retry_after_s) == (503, AGAIN_S)
    assert "a second" in hasty.why
    clock.now += 0.5
    assert admission.turned() is None
    clock.now += 60
    live[0] = 5
    full = admission.turned()
    assert full is not None
    assert full.why == admission.full() == "all 5 calls that RUNTIME_MAX_CALLS permits are in use"
    live[0] = 4
    assert admission.turned() is None
    admission.leaving = True
    leaving = admission.turned()
    assert leaving is not None
    assert leaving.retry_after_s == LEAVING_AGAIN_S


def test_a_media_plane_at_its_limit_turns_calls_away_before_the_live_ones_suffer() -> None:
    limits: list[str | None] = ["the media processes are at their limit"]
    admission = Admission(5, 2, HandClock(), lambda: 0, lambda: limits[0])
    turned = admission.turned()
    assert turned is not None
    assert (turned.status, turned.retry_after_s, turned.why) == (503, AGAIN_S, limits[0])
    assert admission.full() == limits[0]
    limits[0] = None
    assert admission.turned() is None


@pytest.mark.parametrize(
    ("content_type", "body", "pressed"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=250\r\n", ("5", 0.25)),
        ("application/dtmf-relay", b"signal = #\n", ("#", 0.16)),
        ("application/dtmf-relay", b"Signal=10\r\nDuration=100", ("*", 0.1)),
        ("application/dtmf-relay", b"Signal=12\r\n", ("A", 0.16)),
        ("application/dtmf", b"d", ("D", 0.16)),
        ("application/dtmf", b"11", ("#", 0.16)),
        ("application/dtmf", b"", None),
        ("application/dtmf", b"123", None),
        ("application/dtmf-relay", b"Duration=100", None),
        ("text/plain", b"5", None),
    ],
)
def test_keys_by_info(content_type: str, body: bytes, pressed: tuple[str, float] | None) -> None:
    assert info_digits.read(content_type, body) == pressed


@given(st.sampled_from(info_digits.KEYS))
def test_what_we_press_is_read(key: str) -> None:
    read = info_digits.read(*info_digits.written(key))
    assert read == (key, info_digits.DURATION_MS / 1000)


@given(st.binary(max_size=300), st.sampled_from(["application/dtmf", "application/dtmf-relay"]))
def test_no_body_breaks_the_reader(body: bytes, content_type: str) -> None:
    pressed = info_digits.read(content_type, body)
    assert pressed is None or pressed[0] in info_digits.KEYS
