from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.offline.dialogue import ScriptedModel, likeness, next_step
from aywa.providers.offline.script import parse_script
from aywa.providers.offline.vocabulary import UNINTELLIGIBLE
from aywa.providers.protocols import (
    Message,
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TextDelta,
    ToolCall,
)


def intent(name: str, phrase: str, *replies: str, **more: object) -> dict[str, object]:
    return {"name": name, "phrases": [phrase], "replies": list(replies), **more}


OPEN = [
    intent("hours", "what are your opening hours", "Nine.", "Still nine.", keys=["1"]),
    intent("number", "my number is {digits}", "I heard {digits}.", keys=["{digits}"]),
    intent("book", "book a table", "Sure?", next="sure"),
]
SCRIPT = parse_script(
    {
        "firstMessage": "Hello there.",
        "start": "open",
        "everywhere": [intent("bye", "goodbye", "Bye.", keys=["0"], endCall=True)],
        "states": {
            "open": {"intents": OPEN, "fallbacks": ["What?", "Pardon?"]},
            "sure": {
                "intents": [intent("yes", "yes", "Booked.", next="open")],
                "fallbacks": ["Yes or no?"],
            },
        },
    }
)


def said(*users: str) -> list[Message]:
    messages = [Message("system", "Be kind."), Message("assistant", "Hello there.")]
    for text in users:
        messages += [Message("user", text), Message("assistant", "…")]
    return messages[:-1] if users else messages[:1]


def answer(*users: str) -> str:
    return next_step(SCRIPT, said(*users)).text


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        ("What are your opening hours?", "Nine."),
        ("what are you opening hour", "Nine."),
        ("please tell me what are your opening hours today", "Nine."),
        ("my number is 4 one five 2", "I heard four one five two."),
        ("my numbers is oh seven", "I heard zero seven."),
        ("User's Keypad Entry: 1", "Nine."),
        ("User's Keypad Entry: 12#", "I heard one two."),
        ("User's Keypad Entry: *", "What?"),
        ("my number is", "What?"),
        ("ok goodbye then", "Bye."),
        ("my aunt once said goodbye to the whole village", "What?"),
        (UNINTELLIGIBLE, "What?"),
        ("", "What?"),
    ],
)
def test_what_the_caller_says_finds_its_reply(heard: str, reply: str) -> None:
    assert answer(heard) == reply


def test_replies_and_fallbacks_come_in_rotation() -> None:
    hours = "what are your opening hours"
    assert [answer(*[hours] * n) for n in (1, 2, 3)] == ["Nine.", "Still nine.", "Nine."]
    assert [answer(*["gibberish"] * n) for n in (1, 2, 3)] == ["What?", "Pardon?", "What?"]


def test_the_state_follows_from_the_history_alone() -> None:
    assert answer("yes") == "What?"
    assert answer("book a table", "yes") == "Booked."
    assert answer("book a table", "hmm") == "Yes or no?"
    assert answer("book a table", "yes", "what are your opening hours") == "Nine."


def test_without_the_user_it_greets_and_unasked_it_asks() -> None:
    assert answer() == "Hello there."
    asked = [*said("book a table"), Message("assistant", "Sure?"), Message("system", "hurry")]
    assert next_step(SCRIPT, asked).text == "Yes or no?"


async def events(messages: Sequence[Message]) -> list[ModelEvent]:
    return [event async for event in ScriptedModel(SCRIPT).reply(ModelRequest(tuple(messages)))]


async def test_the_reply_streams_word_by_word() -> None:
    found = await events(said("my number is one two"))
    deltas = [event.text for event in found if isinstance(event, TextDelta)]
    assert deltas == ["I ", "heard ", "one ", "two."]
    assert isinstance(found[-1], ReplyFinished)
    assert found[-1].completion_tokens == 4


async def test_the_end_of_the_call_is_a_tool_call_after_the_words() -> None:
    *words, tool, finished = await events(said("goodbye"))
    assert words == [TextDelta("Bye.")]
    assert isinstance(tool, ToolCall)
    assert tool.name == "endCall"
    assert isinstance(finished, ReplyFinished)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_history_has_an_answer(users: list[str]) -> None:
    assert answer(*users)


def test_likeness_is_whole_for_the_phrase_itself_and_none_for_nothing() -> None:
    assert likeness(("a", "b"), ("a", "b")) == 1.0
    assert likeness((), ("a",)) == 0.0
