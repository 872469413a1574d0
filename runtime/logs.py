"""Log lines: one event and key=value pairs a line, on standard error.

Nothing secret and no transcript is logged; the modules that log pass identifiers and counts.
"""

import logging
import sys
from typing import Any

from ..base.clock import iso

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class KeyValueFormatter(logging.Formatter):
    """`2026-11-21T10:00:00.123Z INFO aywa.calls call answered call=… number=demo`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
        head = f"{iso(record.created)} {record.levelname} {record.name} {record.getMessage()}"
        line = " ".join([head, *(f"{key}={_shown(value)}" for key, value in extra.items())])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or any(c.isspace() or not c.isprintable() for c in text) else text


def configure(level: str) -> None:
    """Send the product's log to standard error at `level`; libraries from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("aywa").setLevel(level.upper())
