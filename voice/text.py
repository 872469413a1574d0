"""From a model's stream of tokens to pieces of text that are spoken one by one.

The first piece goes out at the first clause that is worth a breath, so that the caller waits
little; after it whole sentences, which sound better. Never cut inside an abbreviation, a number, an
initial or an address. Knows nothing of voices.
"""

import re
import unicodedata

from .timing import NEVER, reached

FIRST_CHARACTERS = 20  # least length of a first clause
STALL_WORDS = 8  # words that go out when the model stalls
STALL_S = 0.150
LIMIT_CHARACTERS = 250

_END = re.compile(
    r"(?P<stop>[.!?…。！？]+[\"'”’)\]*_]*|[,;:—–])\s+(?=\S)|\n\s*(?=\S)|[。！？](?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|No|Nr|vs|etc|approx|ext|dept|Inc|Ltd|Co"
    r"|e\.g|i\.e|a\.m|p\.m|U\.S|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.$",
    re.IGNORECASE,
)
_MARKDOWN = (
    (re.compile(r"<[/!?A-Za-z][^<>]*>"), ""),  # SSML and other tags
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),  # links and images
    (re.compile(r"^\s{0,3}(?:#{1,6}|>|[-*+])\s+", re.MULTILINE), ""),  # headings, quotes, bullets
    (re.compile(r"`+|~~+|\*+|(?<!\w)_+|_+(?!\w)"), ""),  # emphasis and code
    (re.compile(r"\s+"), " "),
)


def speakable(text: str) -> str:
    """The text without markup and pictures, which a voice would read aloud or stumble over."""
    for pattern, plain in _MARKDOWN:
        text = pattern.sub(plain, text)
    kept = (c for c in text if c not in "\u200d\ufe0f\u20e3" and not _is_picture(c))
    return " ".join("".join(kept).split())


class Chunker:
    """The text of one utterance, cut as it grows."""

    def __init__(self) -> None:
        self.characters = 0
        """Everything fed so far."""
        self._buffer = ""
        self._first = True
        self._fed_at = NEVER

    @property
    def due(self) -> float:
        """When the stream counts as stalled (monotonic); never if nothing could go out then."""
        waiting = self._first and len(self._buffer.split()) > STALL_WORDS
        return self._fed_at + STALL_S if waiting else NEVER

    def feed(self, text: str, now: float) -> list[str]:
        """Append tokens; the pieces that are complete now."""
        self.characters += len(text)
        self._buffer += text
        self._fed_at = now
        pieces = []
        while (end := self._next_end()) is not None:
            pieces += self._cut(end)
        return pieces

    def stalled(self, now: float) -> list[str]:
        """What goes out, at a word's end, because no token came for `STALL_S`."""
        if not reached(self.due, now):
            return []
        complete, _, _ = self._buffer.rpartition(self._buffer.split()[-1])
        return self._cut(len(complete))

    def finish(self) -> list[str]:
        """The rest, when no token will come any more."""
        pieces = []
        while len(self._buffer) > LIMIT_CHARACTERS:
            pieces += self._cut(self._last_space(LIMIT_CHARACTERS))
        return pieces + self._cut(len(self._buffer))

    def _next_end(self) -> int | None:
        for match in _END.finditer(self._buffer):
            end = match.end()
            if end > LIMIT_CHARACTERS:
                break
            if self._is_end(match):
                return end
        if len(self._buffer) > LIMIT_CHARACTERS:
            return self._last_space(LIMIT_CHARACTERS)
        return None

    def _is_end(self, match: re.Match[str]) -> bool:
        stop = match["stop"] or ""
        before = self._buffer[: match.start() + len(stop)]
        after = self._buffer[match.end()]
        if stop.startswith(tuple(",;:—–")):
            long_enough = len(before.strip()) >= FIRST_CHARACTERS
            digits = before[-2:-1].isdigit() and after.isdigit()
            return self._first and long_enough and not digits
        if stop == "." and (after.islower() or _ABBREVIATION.search(before)):
            return False
        if stop == "." and before[-2:-1].isdigit() and not after.isupper():
            return False
        return not self._first or len(before.strip()) >= FIRST_CHARACTERS

    def _last_space(self, limit: int) -> int:
        space = self._buffer.rfind(" ", 1, limit)
        return limit if space < 1 else space

    def _cut(self, end: int) -> list[str]:
        piece, self._buffer = speakable(self._buffer[:end]), self._buffer[end:]
        if not any(c.isalnum() for c in piece):
            return []
        self._first = False
        return [piece]


def _is_picture(character: str) -> bool:
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # skin tones
        return True
    return unicodedata.category(character) in ("So", "Cs", "Co", "Cn", "Cc") and character != "°"
