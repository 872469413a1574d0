"""The root of every error that Aywa raises on purpose.

    AywaError
    ├── the rooms' own errors (sip.SipError, media.RtpError, …), defined where they are raised
    └── ConfigurationError   a setting is wrong; the message says which and what it may be

A message tells an operator what was expected, what came instead, and what to do next.
"""


class AywaError(Exception):
    """Base of every error that this product raises on purpose."""


class ConfigurationError(AywaError):
    """A setting or the host is not as it must be; the runtime does not start."""
