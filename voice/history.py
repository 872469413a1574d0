"""The conversation as it was spoken: messages in order, the assistant's as far as it was heard."""

from dataclasses import dataclass, replace

from ..providers.protocols import Message
from .events import Role

INTERRUPTED_MARK = "—"
"""Shows the model that its words broke off here."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing said or added. `at` is when it began, monotonic seconds."""

    role: Role
    text: str
    at: float
    interrupted: bool = False


class History:
    """The entries of one conversation behind the messages it was configured with."""

    def __init__(self, preamble: tuple[Message, ...] = ()) -> None:
        self._preamble = preamble
        self._entries: dict[int, Entry] = {}
        self._next_key = 1

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything said and added, by the time at which it began."""
        return tuple(sorted(self._entries.values(), key=lambda entry: entry.at))

    def add(self, entry: Entry) -> int:
        """Append an entry; the key names it for `amend` and `remove`."""
        key = self._next_key
        self._next_key += 1
        self._entries[key] = entry
        return key

    def amend(self, key: int, text: str) -> None:
        """Replace the words of an entry, if it is still there."""
        if key in self._entries:
            self._entries[key] = replace(self._entries[key], text=text)

    def remove(self, key: int) -> None:
        """Take an entry back, if it is still there."""
        self._entries.pop(key, None)

    def messages(self) -> tuple[Message, ...]:
        """What a model is shown: neighbours of one speaker are one message."""
        shown: list[Message] = []
        for entry in self.entries:
            text = entry.text + INTERRUPTED_MARK if entry.interrupted else entry.text
            joins = entry.role in ("user", "assistant") and shown and shown[-1].role == entry.role
            if joins:
                text = f"{shown.pop().content} {text}"
            shown.append(Message(entry.role, text))
        return self._preamble + tuple(shown)
