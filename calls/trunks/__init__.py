"""SIP trunks: what they are, who may call in by them, who may be called, and how.

`trunk` reads stored credentials; `numbering`, `matching`, `destinations`, `gate` and `outbound`
decide; `directory` answers the user agent's doorkeeper questions from memory; `service` keeps
registrations, qualify and addresses in step. Only `service` runs on asyncio.
"""

from .directory import TRUSTED_PARTY, Called, Directory
from .gate import Allowed, Denied, Gate, Origination
from .outbound import OutboundCall, TrunkDown, Way, outbound_call
from .service import TrunkService
from .trunk import Trunk, TrunkError, read_trunk

__all__ = [
    "TRUSTED_PARTY",
    "Allowed",
    "Called",
    "Denied",
    "Directory",
    "Gate",
    "Origination",
    "OutboundCall",
    "Trunk",
    "TrunkDown",
    "TrunkError",
    "TrunkService",
    "Way",
    "outbound_call",
    "read_trunk",
]
