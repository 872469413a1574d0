"""The small parts: what was said, silence, digits."""

import pytest

from aywa.providers.protocols import Message
from aywa.voice.history import Entry, History
from aywa.voice.idle import IdleClock
from aywa.voice.keypad import DIGITS_MAX, Keypad
from aywa.voice.settings import IdlePlan, KeypadPlan


def test_history_is_in_spoken_order_whatever_came_first() -> None:
    history = History((Message("system", "Be kind."),))
    history.add(Entry("user", "Hello.", 5.0))
    history.add(Entry("assistant", "Welcome to", 3.0, interrupted=True))
    assert history.messages() == (
        Message("system", "Be kind."),
        Message("assistant", "Welcome to—"),
        Message("user", "Hello."),
    )


def test_neighbours_of_one_speaker_are_one_message() -> None:
    history = History()
    for role, text in (("user", "A"), ("user", "B"), ("system", "C"), ("system", "D")):
        history.add(Entry(role, text, 1.0))  # type: ignore[arg-type]
    assert [m.content for m in history.messages()] == ["A B", "C", "D"]


def test_entries_can_be_amended_and_taken_back() -> None:
    history = History()
    first, second = history.add(Entry("user", "A", 1.0)), history.add(Entry("user", "B", 2.0))
    history.amend(first, "A!")
    history.remove(second)
    history.amend(second, "never")
    history.remove(second)
    assert [entry.text for entry in history.entries] == ["A!"]


def test_prompts_then_the_end() -> None:
    clock = IdleClock(IdlePlan(messages=("Hello?", "Still there?"), timeout_s=10, max_count=2))
    clock.start(0.0)
    assert (clock.outlook().at, clock.outlook().verdict) == (10.0, "prompt")
    assert clock.next_prompt() == "Hello?"
    clock.assistant_stopped(12.0, prompt=True)
    assert (clock.outlook().at, clock.outlook().verdict) == (22.0, "prompt")
    assert clock.next_prompt() == "Still there?"
    clock.assistant_stopped(24.0, prompt=True)
    assert (clock.outlook().at, clock.outlook().verdict) == (30.0, "end")


def test_the_assistant_and_the_caller_restart_both_clocks() -> None:
    clock = IdleClock(IdlePlan(messages=("Hello?",)))
    clock.start(0.0)
    clock.assistant_stopped(7.0, prompt=False)
    assert clock.outlook().at == 17.0
    clock.caller_active(9.0)
    assert clock.outlook().at == 19.0


@pytest.mark.parametrize(("reset", "count"), [(True, 0), (False, 1)])
def test_an_answer_resets_the_count_if_asked_to(reset: bool, count: int) -> None:
    clock = IdleClock(IdlePlan(messages=("Hello?",), reset_on_user_speech=reset))
    clock.next_prompt()
    clock.caller_answered()
    assert clock.count == count


def press(keypad: Keypad, digits: str, at: float = 1.0) -> None:
    for i, digit in enumerate(digits):
        keypad.press(digit, at + i * 0.5)


def test_plan_off_a_run_of_digits_ends_by_two_quiet_seconds() -> None:
    keypad = Keypad(KeypadPlan(enabled=False, timeout_s=9.0))
    press(keypad, "12#4")
    assert keypad.due == pytest.approx(4.5)
    assert keypad.take(4.4) == ""
    assert keypad.take(4.5) == "12#4"
    assert not keypad.open


def test_plan_on_a_delimiter_ends_the_entry_at_once() -> None:
    keypad = Keypad(KeypadPlan(enabled=True, timeout_s=3.0))
    press(keypad, "12#")
    assert keypad.take(2.0) == "12"


def test_without_a_timeout_only_the_delimiter_ends_it() -> None:
    keypad = Keypad(KeypadPlan(enabled=True, timeout_s=0.0, delimiters=("*",)))
    press(keypad, "*12#")
    assert keypad.due == float("inf")
    keypad.press("*", 9.0)
    assert keypad.take(9.0) == "12#"


def test_an_entry_is_bounded() -> None:
    keypad = Keypad(KeypadPlan(enabled=True, timeout_s=0.0))
    press(keypad, "7" * 1_000)
    assert keypad.take(1e9) == "7" * DIGITS_MAX
