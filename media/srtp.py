"""SRTP on the engine's edges: packets are opened before anything looks at them, sealed last.

What lies between, captures included, is plain. A packet that is forged, altered or came before is
dropped and counted. Streams without keys pass untouched.
"""

import numpy as np
from numpy.typing import NDArray
from pylibsrtp import Error, Policy, Session

from .datagrams import DATAGRAM_WIDTH, Datagrams, Received
from .rtp.columns import is_rtcp
from .streams import Columns, column

Keys = tuple[str, bytes, bytes]
"""Suite (RFC 4568 name), our key, the peer's key; keys with their salt."""

REPLAY_WINDOW = 128
PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class _Pair:
    """Both directions of one stream."""

    def __init__(self, keys: Keys) -> None:
        suite, local, remote = keys
        self.keys = keys
        self.outgoing = _session(suite, local, Policy.SSRC_ANY_OUTBOUND)
        self.incoming = _session(suite, remote, Policy.SSRC_ANY_INBOUND)


class Srtp(Columns):
    """The secured streams of one engine."""

    rejected: NDArray[np.int64] = column(np.int64)
    """Packets that did not prove to be the peer's."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[int, _Pair] = {}

    def configure(self, row: int, keys: Keys | None) -> None:
        """Secure a stream, or let it be plain. The same keys go on as they were."""
        known = self._pairs.get(row)
        if keys is None:
            self._pairs.pop(row, None)
        elif known is None or known.keys != keys:
            pair = _Pair(keys)
            if known and known.keys[:2] == keys[:2]:
                pair.outgoing = known.outgoing  # the same key must never begin anew
            self._pairs[row] = pair

    def close(self, row: int) -> None:
        """The stream is gone."""
        self._pairs.pop(row, None)

    def opened(self, received: Received) -> Received:
        """The batch with secured packets opened in place, less those that prove nothing."""
        if not self._pairs or not len(received):
            return received
        keep = np.ones(len(received), np.bool_)
        control = received.control | is_rtcp(received.data)
        for index in np.flatnonzero(np.isin(received.row, list(self._pairs))).tolist():
            row = int(received.row[index])
            session = self._pairs[row].incoming
            data = received.data[index, : received.length[index]].tobytes()
            try:
                plain = session.unprotect_rtcp(data) if control[index] else session.unprotect(data)
            except (Error, ValueError):  # not the peer's; longer than libsrtp takes
                self.rejected[row] += 1
                keep[index] = False
                continue
            received.data[index, : len(plain)] = np.frombuffer(plain, np.uint8)
            received.length[index] = len(plain)
        return received if keep.all() else received.select(np.flatnonzero(keep))

    def sealed(self, packets: list[Datagrams]) -> list[Datagrams]:
        """The batches with the packets of secured streams sealed."""
        if not self._pairs:
            return packets
        return [part for batch in packets for part in self._seal(batch)]

    def _seal(self, batch: Datagrams) -> list[Datagrams]:
        secured = np.isin(batch.row, list(self._pairs))
        if not secured.any():
            return [batch]
        index = np.flatnonzero(secured)
        control = is_rtcp(batch.data) | batch.control
        data = np.zeros((len(index), DATAGRAM_WIDTH), np.uint8)
        length = np.zeros(len(index), np.int64)
        for place, one in enumerate(index.tolist()):
            session = self._pairs[int(batch.row[one])].outgoing
            plain = batch.data[one, : batch.length[one]].tobytes()
            sealed = session.protect_rtcp(plain) if control[one] else session.protect(plain)
            data[place, : len(sealed)] = np.frombuffer(sealed, np.uint8)
            length[place] = len(sealed)
        own = Datagrams(data, length, batch.row[index], batch.destination[index], batch.control)
        rest = np.flatnonzero(~secured)
        if not len(rest):
            return [own]
        plain_part = Datagrams(
            batch.data[rest],
            batch.length[rest],
            batch.row[rest],
            batch.destination[rest],
            batch.control,
        )
        return [plain_part, own]


def _session(suite: str, key: bytes, direction: int) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=PROFILES[suite])
    policy.window_size = REPLAY_WINDOW
    policy.allow_repeat_tx = False
    return Session(policy)
