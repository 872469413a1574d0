"""Aywa Runtime: a private voice-agent runtime."""

from pathlib import Path

__version__ = "0.1.0"

_root = Path(__file__).resolve().parent.parent
if (_root / "pcap_fixtures").is_dir():  # a checkout: the rooms stand beside this folder
    __path__.insert(0, str(_root))
