"""The demonstration assistant: what a newcomer hears on the first call."""

import json
from importlib.resources import files
from typing import Any

from .script import Script, parse_script


def demo_script() -> Script:
    """Read the shipped script."""
    text = files(__package__).joinpath("demo.json").read_text("utf-8")
    return parse_script(json.loads(text))


DEMO_ASSISTANT: dict[str, Any] = {
    "name": "Demo",
    "firstMessage": demo_script().first_message,
    "transcriber": {"provider": "offline"},
    "model": {"provider": "offline"},
    "voice": {"provider": "offline"},
}
"""The demonstration assistant as a document, without identifier and times."""

DEMO_LINES = ("What can you do?", "What are your opening hours?", "Thank you, goodbye.")
"""What a caller may say to it, in this order, for a first call that ends well."""
