"""Digits gathered into entries."""

from .settings import KeypadPlan
from .timing import NEVER, reached

OFF_TIMEOUT_S = 2.0  # quiet time that ends a run of digits when the plan is off
DIGITS_MAX = 64


class Keypad:
    """The entry in the making."""

    def __init__(self, plan: KeypadPlan) -> None:
        self._delimiters = plan.delimiters if plan.enabled else ()
        self._timeout_s = plan.timeout_s if plan.enabled else OFF_TIMEOUT_S
        self._digits = ""
        self._due = NEVER

    @property
    def due(self) -> float:
        """When the entry is complete, monotonic; never without one."""
        return self._due

    @property
    def open(self) -> bool:
        """Whether digits have come that were not taken."""
        return bool(self._digits)

    def press(self, digit: str, at: float) -> None:
        """Take a digit. A delimiter completes the entry and is no part of it."""
        if digit in self._delimiters:
            self._due = at if self._digits else NEVER
            return
        self._digits = (self._digits + digit)[:DIGITS_MAX]
        full = len(self._digits) == DIGITS_MAX
        self._due = at if full else at + self._timeout_s if self._timeout_s > 0 else NEVER

    def take(self, now: float) -> str:
        """The complete entry, or nothing."""
        if not reached(self._due, now):
            return ""
        digits, self._digits, self._due = self._digits, "", NEVER
        return digits
