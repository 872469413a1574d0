"""The CSeq value: a number and the method it counts (RFC 3261 §20.16)."""

import re
from dataclasses import dataclass
from typing import Self

from ..errors import SipParseError
from .grammar import LWS, TOKEN, number, shown

MAX_SEQUENCE = 2**31 - 1  # RFC 3261 §8.1.1.5

_CSEQ = re.compile(rf"([0-9]++){LWS}({TOKEN})")


@dataclass(frozen=True, slots=True)
class CSeq:
    """Position of a request in its dialog and direction."""

    sequence: int
    """0 to 2**31 - 1."""
    method: str
    """Case matters."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a CSeq value. Raises SipParseError."""
        match = _CSEQ.fullmatch(text)
        if match is None:
            raise SipParseError(f"CSeq {shown(text)} is not a number and a method")
        return cls(number(match[1], "CSeq", MAX_SEQUENCE), match[2])

    def __str__(self) -> str:
        return f"{self.sequence} {self.method}"
