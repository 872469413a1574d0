import copy
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.offline.demo import DEMO_ASSISTANT, DEMO_LINES, demo_script
from aywa.providers.offline.dialogue import next_step
from aywa.providers.offline.script import Script, ScriptError, parse_script
from aywa.providers.protocols import Message

GOOD: dict[str, Any] = {
    "firstMessage": "Hello.",
    "start": "open",
    "states": {
        "open": {
            "intents": [
                {"name": "bye", "phrases": ["bye"], "replies": ["Bye."], "endCall": True},
                {"name": "say", "phrases": ["say {digits}"], "replies": ["{digits}"]},
            ],
            "fallbacks": ["What?"],
        }
    },
}


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    at: Any = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


def test_a_good_script_is_read() -> None:
    script = parse_script(GOOD)
    assert script.phrases() == ("bye", "say {digits}")
    assert script.texts() == ("Hello.", "What?", "Bye.")
    assert script.states["open"].intents[0].end_call


INTENT = ("states", "open", "intents", 0)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("start",), "nowhere", "script.start"),
        (("firstMessage",), "", "script.firstMessage"),
        (("states",), {}, "script.states"),
        (("extra",), 1, "script.extra"),
        (("states", "open", "fallbacks"), [], "script.states.open.fallbacks"),
        (("states", "open", "fallbacks"), ["{digits}"], "script.states.open.fallbacks[0]"),
        ((*INTENT, "next"), "nowhere", "script.states.open"),
        ((*INTENT, "phrases"), [], "script.states.open.intents[0]"),
        ((*INTENT, "phrases"), ["?!"], "script.states.open.intents[0].phrases[0]"),
        ((*INTENT, "replies"), ["{name}"], "script.states.open.intents[0].replies[0]"),
        ((*INTENT, "replies"), ["{digits}"], "script.states.open.intents[0].replies"),
        ((*INTENT, "keys"), ["a"], "script.states.open.intents[0].keys[0]"),
        ((*INTENT, "endCall"), "yes", "script.states.open.intents[0].endCall"),
        ((*INTENT, "replies"), ["x" * 3_000], "script.states.open.intents[0].replies[0]"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(path: Any, value: object, named: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(changed(path, value))
    assert caught.value.path == named


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GOOD, "open", "intents", "name", "keys"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_document_is_a_script_or_a_script_error(document: object) -> None:
    with suppress(ScriptError):
        assert isinstance(parse_script(document), Script)


@given(JSON, st.sampled_from([(*INTENT,), ("states", "open"), ("everywhere",)]))
def test_any_part_is_a_script_or_a_script_error(part: object, path: tuple[Any, ...]) -> None:
    with suppress(ScriptError):
        assert isinstance(parse_script(changed(path, part)), Script)


def test_the_demonstration_has_ten_intents_and_every_phrase_finds_its_own() -> None:
    script = demo_script()
    for name, state in script.states.items():
        walk = replace(script, start=name)
        for intent in state.intents:
            for phrase in intent.phrases:
                step = next_step(walk, [Message("user", phrase.replace("{digits}", "1 2"))])
                assert step.text.split()[0] == intent.replies[0].split()[0], phrase
    assert len(script.states["open"].intents) >= 10


def test_the_demonstration_call_ends_well() -> None:
    script = demo_script()
    messages = [Message("user", line) for line in DEMO_LINES]
    assert DEMO_ASSISTANT["firstMessage"] == script.first_message
    assert next_step(script, messages).end_call
    for count in range(1, len(messages)):
        step = next_step(script, messages[:count])
        assert not step.end_call
        assert step.text not in script.states["open"].fallbacks
