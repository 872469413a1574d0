"""A script: the states, intents and replies of a scripted assistant, read and checked.

The document is plain JSON data:

    {
      "firstMessage": "Hello …",
      "start": "open",
      "states": {
        "open": {
          "intents": [
            {"name": "hours", "phrases": ["what are your opening hours"], "keys": ["1"],
             "replies": ["We open at nine."], "next": "open", "endCall": false}
          ],
          "fallbacks": ["Sorry, I did not get that."]
        }
      }
    }

`next` is absent where the state stays. A phrase may hold the slot `{digits}` (one or more spoken
digits), which replies repeat. Intents under the optional top-level `everywhere` count in every
state. `keys` are keypad entries; the entry `{digits}` takes any. Knows no model and no audio.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...base.errors import AywaError
from .words import words_of

SLOT = "{digits}"
MAX_STATES = 100
MAX_INTENTS = 200  # of one state
MAX_TEXTS = 100  # of one list
MAX_CHARACTERS = 2_000  # of one text

_BRACES = re.compile(r"\{[^}]*\}?|\}")


class ScriptError(AywaError):
    """A script is not as it must be; `path` says where."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Intent:
    """Something a caller may want, how it is said, and what follows."""

    name: str
    phrases: tuple[str, ...]
    keys: tuple[str, ...]
    replies: tuple[str, ...]
    next_state: str | None = None
    end_call: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where a conversation stands: what is understood here, and what is said to all else."""

    intents: tuple[Intent, ...]
    fallbacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A whole checked script."""

    first_message: str
    start: str
    states: Mapping[str, State]

    def phrases(self) -> tuple[str, ...]:
        """Every phrase once, in the order of the script: what a recogniser must know."""
        intents = (intent for state in self.states.values() for intent in state.intents)
        return tuple(dict.fromkeys(phrase for intent in intents for phrase in intent.phrases))

    def texts(self) -> tuple[str, ...]:
        """Every text once that can be said as it stands (replies with slots are left out)."""
        texts = [self.first_message]
        for state in self.states.values():
            texts += state.fallbacks
            texts += [reply for intent in state.intents for reply in intent.replies]
        return tuple(dict.fromkeys(text for text in texts if text and SLOT not in text))


def parse_script(document: object) -> Script:
    """Read a document. Raises ScriptError with the path of the first thing that is wrong."""
    fields = _object(document, "script", {"firstMessage", "start", "states", "everywhere"})
    everywhere = _intents(fields.get("everywhere", []), "script.everywhere")
    states = _states(fields.get("states"), everywhere)
    start = _text(fields.get("start"), "script.start")
    if start not in states:
        raise ScriptError("script.start", f"there is no state {start!r}.")
    for name, state in states.items():
        for intent in state.intents:
            if intent.next_state is not None and intent.next_state not in states:
                message = f"{intent.name!r} leads to {intent.next_state!r}, which is no state."
                raise ScriptError(f"script.states.{name}", message)
    return Script(_text(fields.get("firstMessage"), "script.firstMessage"), start, states)


def _states(value: object, everywhere: tuple[Intent, ...]) -> dict[str, State]:
    path = "script.states"
    if not isinstance(value, dict) or not value or len(value) > MAX_STATES:
        raise ScriptError(path, f"must be an object of 1 to {MAX_STATES} states.")
    states = {}
    for name, entry in value.items():
        here = f"{path}.{name}"
        fields = _object(entry, here, {"intents", "fallbacks"})
        own = _intents(fields.get("intents", []), f"{here}.intents")
        fallbacks = _texts(fields.get("fallbacks"), f"{here}.fallbacks", least=1)
        for i, text in enumerate(fallbacks):
            if SLOT in text:
                raise ScriptError(f"{here}.fallbacks[{i}]", "a fallback has no digits to repeat.")
        states[str(name)] = State(own + everywhere, fallbacks)
    return states


def _intents(value: object, path: str) -> tuple[Intent, ...]:
    if not isinstance(value, list) or len(value) > MAX_INTENTS:
        raise ScriptError(path, f"must be a list of at most {MAX_INTENTS} intents.")
    return tuple(_intent(entry, f"{path}[{i}]") for i, entry in enumerate(value))


def _intent(value: object, path: str) -> Intent:
    fields = _object(value, path, {"name", "phrases", "keys", "replies", "next", "endCall"})
    phrases = _texts(fields.get("phrases", []), f"{path}.phrases")
    keys = _texts(fields.get("keys", []), f"{path}.keys")
    replies = _texts(fields.get("replies"), f"{path}.replies", least=1)
    if not phrases and not keys:
        raise ScriptError(path, "needs phrases or keys; nobody could ever mean it.")
    _check_slots(path, phrases, keys, replies)
    end_call = fields.get("endCall", False)
    if not isinstance(end_call, bool):
        raise ScriptError(f"{path}.endCall", "must be true or false.")
    next_state = fields.get("next")
    return Intent(
        name=_text(fields.get("name"), f"{path}.name"),
        phrases=phrases,
        keys=keys,
        replies=replies,
        next_state=None if next_state is None else _text(next_state, f"{path}.next"),
        end_call=end_call,
    )


def _check_slots(
    path: str, phrases: tuple[str, ...], keys: tuple[str, ...], replies: tuple[str, ...]
) -> None:
    for i, phrase in enumerate(phrases):
        if not words_of(phrase):
            raise ScriptError(f"{path}.phrases[{i}]", "holds no word.")
        if phrase.count(SLOT) > 1:
            raise ScriptError(f"{path}.phrases[{i}]", f"may hold {SLOT} once.")
    for i, key in enumerate(keys):
        if key != SLOT and not re.fullmatch(r"[0-9*#]+", key):
            raise ScriptError(f"{path}.keys[{i}]", f"must be keys such as 12# or {SLOT}.")
    if any(SLOT in text for text in replies) and any(SLOT not in text for text in phrases + keys):
        raise ScriptError(f"{path}.replies", f"{SLOT} needs a {SLOT} in every phrase and key.")


def _object(value: object, path: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScriptError(path, f"must be an object, not {type(value).__name__}.")
    unknown = sorted(str(key) for key in value if key not in known)
    if unknown:
        raise ScriptError(
            f"{path}.{unknown[0]}", f"is not known here; known are {', '.join(sorted(known))}."
        )
    return value


def _texts(value: object, path: str, least: int = 0) -> tuple[str, ...]:
    if not isinstance(value, list) or not least <= len(value) <= MAX_TEXTS:
        raise ScriptError(path, f"must be a list of {least} to {MAX_TEXTS} texts.")
    return tuple(_text(entry, f"{path}[{i}]") for i, entry in enumerate(value))


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_CHARACTERS:
        raise ScriptError(path, f"must be a text of 1 to {MAX_CHARACTERS} characters.")
    for brace in _BRACES.findall(value):
        if brace != SLOT:
            raise ScriptError(path, f"{brace!r} is no slot; the slot is {SLOT}.")
    return value
