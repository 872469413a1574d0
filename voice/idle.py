"""The clocks of a caller who says nothing: prompts, then the end of the call.

Both run from the end of what was last audible. Prompts restart the prompt clock alone: a caller who
has gone is let go after `silence_timeout_s`, however often the assistant asked meanwhile.
"""

from dataclasses import dataclass
from typing import Literal

from .settings import IdlePlan
from .timing import NEVER


@dataclass(frozen=True, slots=True)
class IdleOutlook:
    """What comes at `at` if nobody says anything before."""

    at: float
    verdict: Literal["prompt", "end"]


class IdleClock:
    """When to prompt and when to give up."""

    def __init__(self, plan: IdlePlan) -> None:
        self.count = 0
        """Prompts spoken so far."""
        self._plan = plan
        self._quiet_since = NEVER
        self._silent_since = NEVER

    def start(self, at: float) -> None:
        """The call is up and nobody has spoken."""
        self._quiet_since = self._silent_since = at

    def assistant_stopped(self, at: float, *, prompt: bool) -> None:
        """The assistant's last audible sample left; `prompt` if that was one of ours."""
        self._quiet_since = at
        if not prompt:
            self._silent_since = at

    def caller_active(self, at: float) -> None:
        """The caller made a sound or pressed a key."""
        self._quiet_since = self._silent_since = at

    def caller_answered(self) -> None:
        """The caller said something."""
        if self._plan.reset_on_user_speech:
            self.count = 0

    def next_prompt(self) -> str:
        """Take the next prompt's words."""
        text = self._plan.messages[self.count % len(self._plan.messages)]
        self.count += 1
        return text

    def outlook(self) -> IdleOutlook:
        """What comes next in a silence."""
        end = IdleOutlook(self._silent_since + self._plan.silence_timeout_s, "end")
        if not self._plan.messages or self.count >= self._plan.max_count:
            return end
        prompt = IdleOutlook(self._quiet_since + self._plan.timeout_s, "prompt")
        return prompt if prompt.at < end.at else end
