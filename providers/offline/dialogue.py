"""The scripted model: answers from a script, with no network and no chance in it.

It keeps nothing between requests. The state, and which variant of a reply comes next, follow from
replaying the user's messages of the history, so a conversation goes on after a restart. Every user
message is one step, whether or not its reply was heard to the end.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from ..protocols import Message, ModelEvent, ModelRequest, ReplyFinished, TextDelta, ToolCall
from .script import SLOT, Intent, Script, State
from .words import DIGIT_WORDS, SPOKEN_DIGITS, similarity, words_of

THRESHOLD = 0.6  # least likeness of what was heard and a phrase
CONTAINED = 0.9  # likeness where the whole phrase was heard among other words
LETTERS_DISCOUNT = 0.12  # likeness of letters counts less than that of words
KEYWORD_LIMIT = 4  # words; a phrase of one word does not decide a longer sentence
MAX_WORDS = 60  # of one message; what follows is not read

_KEYPAD = re.compile(r"User's Keypad Entry:\s*([0-9*#]+)\s*")


@dataclass(frozen=True, slots=True)
class Step:
    """What the script does about one message."""

    text: str
    end_call: bool = False


@dataclass(slots=True)
class _Replay:
    """A walk through the script."""

    script: Script
    state: str
    used: Counter[str] = field(default_factory=Counter)

    def take(self, content: str) -> Step:
        """Answer one user message and move on."""
        state = self.script.states[self.state]
        found = _find(state, content)
        if found is None:
            return self.fall_back()
        intent, digits = found
        text = self._rotated(f"{self.state}/{intent.name}", intent.replies)
        spoken = " ".join(SPOKEN_DIGITS[digit] for digit in digits)
        self.state = intent.next_state or self.state
        return Step(text.replace(SLOT, spoken), intent.end_call)

    def fall_back(self) -> Step:
        """Answer what the state does not know."""
        return Step(self._rotated(self.state, self.script.states[self.state].fallbacks))

    def _rotated(self, key: str, texts: tuple[str, ...]) -> str:
        text = texts[self.used[key] % len(texts)]
        self.used[key] += 1
        return text


class ScriptedModel:
    """The language model of the embedded voice."""

    name = "offline"

    def __init__(self, script: Script) -> None:
        self.script = script

    async def reply(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream the script's answer word by word, then `endCall` where the script says so."""
        step = next_step(self.script, request.messages)
        words = step.text.split()
        for i, word in enumerate(words):
            yield TextDelta(word if i == len(words) - 1 else f"{word} ")
            await asyncio.sleep(0)
        if step.end_call:
            yield ToolCall(id=f"script-{len(request.messages)}", name="endCall")
        read = sum(len(message.content.split()) for message in request.messages)
        yield ReplyFinished(prompt_tokens=read, completion_tokens=len(words))


def next_step(script: Script, messages: Sequence[Message]) -> Step:
    """What the script says now: to the last message if it is the user's, else of its own accord."""
    users = [message.content for message in messages if message.role == "user"]
    if not users:
        return Step(script.first_message)
    replay = _Replay(script, script.start)
    steps = [replay.take(content) for content in users]
    return steps[-1] if messages[-1].role == "user" else replay.fall_back()


def likeness(heard: tuple[str, ...], phrase: tuple[str, ...]) -> float:
    """How well what was heard fits a phrase, from 0 to 1; misheard words cost, extra ones less."""
    if not heard or not phrase:
        return 0.0
    size = len(phrase)
    if size > 1 or len(heard) <= KEYWORD_LIMIT:
        starts = range(len(heard) - size + 1)
        if heard != phrase and any(heard[i : i + size] == phrase for i in starts):
            return CONTAINED
    letters = SequenceMatcher(None, " ".join(heard), " ".join(phrase), autojunk=False).ratio()
    return max(similarity(heard, phrase), letters - LETTERS_DISCOUNT)


def _find(state: State, content: str) -> tuple[Intent, str] | None:
    """The intent that a message means, and the digits in it."""
    keypad = _KEYPAD.fullmatch(content.strip())
    return _by_keys(state, keypad[1]) if keypad else _by_words(state, content)


def _by_keys(state: State, entry: str) -> tuple[Intent, str] | None:
    digits = "".join(key for key in entry if key.isdigit())
    for wanted in (entry, SLOT) if digits else (entry,):
        for intent in state.intents:
            if wanted in intent.keys:
                return intent, digits
    return None


def _by_words(state: State, content: str) -> tuple[Intent, str] | None:
    heard = words_of(content)[:MAX_WORDS]
    collapsed, digits = _collapsed(heard)
    best: tuple[float, Intent | None] = (0.0, None)
    for intent in state.intents:
        for phrase in intent.phrases:
            slotted = SLOT in phrase
            if slotted and not digits:
                continue
            score = likeness(collapsed if slotted else heard, _phrase_words(phrase))
            if score > best[0]:
                best = (score, intent)
    score, found = best
    return (found, digits) if found is not None and score >= THRESHOLD else None


def _phrase_words(phrase: str) -> tuple[str, ...]:
    before, slot, after = phrase.partition(SLOT)
    return (*words_of(before), *((SLOT,) if slot else ()), *words_of(after))


def _collapsed(heard: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The words with their first run of digits as one slot, and that run's digits."""
    start = next((i for i, word in enumerate(heard) if word in DIGIT_WORDS), len(heard))
    end = start
    while end < len(heard) and heard[end] in DIGIT_WORDS:
        end += 1
    if start == end:
        return heard, ""
    digits = "".join(DIGIT_WORDS[word] for word in heard[start:end])
    return (*heard[:start], SLOT, *heard[end:]), digits
