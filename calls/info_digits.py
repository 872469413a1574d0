"""Keys pressed over SIP INFO: `application/dtmf-relay` and `application/dtmf`.

Neither has a standard; these are the two forms that Cisco and its imitators made common.
"""

import re

DTMF_RELAY, DTMF = "application/dtmf-relay", "application/dtmf"
KEYS = "0123456789*#ABCD"
DURATION_MS = 160

_SIGNAL = re.compile(r"^[ \t]*signal[ \t]*=[ \t]*([0-9A-Da-d*#]|1[0-5])[ \t]*$", re.I | re.M)
_DURATION = re.compile(r"^[ \t]*duration[ \t]*=[ \t]*([0-9]{1,5})[ \t]*$", re.I | re.M)


def read(content_type: str, body: bytes) -> tuple[str, float] | None:
    """The key that an INFO presses and for how many seconds; None when it presses none."""
    text = body[:200].decode("ascii", "replace").replace("\r", "")
    if content_type == DTMF:
        signal, duration = text.strip(), None
    elif content_type == DTMF_RELAY:
        match = _SIGNAL.search(text)
        signal = match[1] if match else ""
        duration = _DURATION.search(text)
    else:
        return None
    key = KEYS[int(signal)] if signal in {"10", "11", "12", "13", "14", "15"} else signal.upper()
    if len(key) != 1 or key not in KEYS:
        return None
    return key, (int(duration[1]) if duration else DURATION_MS) / 1000


def written(key: str) -> tuple[str, bytes]:
    """Content type and body of the INFO that presses a key."""
    return DTMF_RELAY, f"Signal={key}\r\nDuration={DURATION_MS}\r\n".encode()
