"""Symmetric RTP: from which address a stream's packets may come, and where ours go.

The address of the SDP is trusted at once: its first valid packet locks the stream to it. A caller
behind a NAT sends from another address: that one is learned after four sequential packets of one
SSRC, as long as nothing valid came from the SDP address. Once locked, other sources are strangers
for good: they are never heard and never attract our packets. Only a new offer/answer with another
address opens the question again.
"""

import numpy as np
from numpy.typing import NDArray

from .datagrams import NO_ADDRESS
from .streams import Columns, Rows, column

LEARN_PACKETS = 4
CANDIDATE_PATIENCE_S = 0.2
"""A candidate silent for this long gives way to another one."""
MAX_STRANGERS = 8
"""Strangers of a stream that are told."""


class Peers(Columns):
    """Where each stream's peer is. Addresses are numbers of the engine's address book."""

    described: NDArray[np.int64] = column(np.int64)
    described_control: NDArray[np.int64] = column(np.int64)
    remote: NDArray[np.int64] = column(np.int64)
    """Where RTP goes."""
    remote_control: NDArray[np.int64] = column(np.int64)
    """Where RTCP goes."""
    locked: NDArray[np.bool_] = column(np.bool_)
    candidate: NDArray[np.int64] = column(np.int64)
    candidate_ssrc: NDArray[np.int64] = column(np.int64)
    candidate_sequence: NDArray[np.int64] = column(np.int64)
    candidate_count: NDArray[np.int64] = column(np.int64)
    candidate_at: NDArray[np.float64] = column(np.float64)
    familiar: NDArray[np.int64] = column(np.int64, MAX_STRANGERS)
    """Addresses that are no news: strangers that were told, and where the peer was before."""

    def describe(self, row: int, rtp: int, control: int) -> None:
        """Take the addresses of an offer/answer; the same RTP address keeps what was learned."""
        if rtp == self.described[row] and rtp != NO_ADDRESS:
            if control != self.described_control[row]:
                self.described_control[row] = self.remote_control[row] = control
            return
        self.familiar[row] = NO_ADDRESS
        self.familiar[row, 0] = self.remote[row]  # its last packets may still be on their way
        self.described[row] = self.remote[row] = rtp
        self.described_control[row] = self.remote_control[row] = control
        self.locked[row] = False
        self.candidate[row] = NO_ADDRESS

    def strangers(self, rows: Rows, source: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which datagrams come from an address that the stream is not locked to."""
        strange: NDArray[np.bool_] = self.locked[rows] & (source != self.remote[rows])
        return strange

    def new_strangers(self, rows: Rows, source: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which strangers of unique rows are seen for the first time; remembers them."""
        known = (self.familiar[rows] == source[:, None]).any(axis=1)
        free = self.familiar[rows] == NO_ADDRESS
        new: NDArray[np.bool_] = ~known & free.any(axis=1) & (source != NO_ADDRESS)
        self.familiar[rows[new], np.argmax(free[new], axis=1)] = source[new]
        return new

    def learn(
        self,
        rows: Rows,
        source: NDArray[np.int64],
        ssrc: NDArray[np.int64],
        sequence: NDArray[np.int64],
        at: NDArray[np.float64],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Judge valid packets of unique rows: which to accept, and which locked their stream."""
        known = self.locked[rows]
        accepted = known & (source == self.remote[rows])
        if known.all():
            return accepted, np.zeros(len(rows), np.bool_)
        locking = ~known & (source == self.described[rows]) & (source != NO_ADDRESS)
        other = np.flatnonzero(~known & ~locking & (source != NO_ADDRESS))
        if len(other):
            locking[other] = self._follow(
                rows[other], source[other], ssrc[other], sequence[other], at[other]
            )
        self._lock(rows[locking], source[locking])
        return accepted | locking, locking

    def learn_control(self, row: int, source: int) -> bool:
        """Whether an RTCP packet may be believed; its source is then where our RTCP goes."""
        host = source >> 16
        if host != self.remote[row] >> 16 and source != self.described_control[row]:
            return False
        if host == self.remote[row] >> 16:
            self.remote_control[row] = source
        return True

    def _follow(
        self,
        rows: Rows,
        source: NDArray[np.int64],
        ssrc: NDArray[np.int64],
        sequence: NDArray[np.int64],
        at: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Count sequential packets of each row's candidate; True where it has shown enough."""
        same = self.candidate[rows] == source
        continues = (
            same
            & (self.candidate_ssrc[rows] == ssrc)
            & (((self.candidate_sequence[rows] + 1) & 0xFFFF) == sequence)
        )
        vacant = (self.candidate[rows] == NO_ADDRESS) | (
            at - self.candidate_at[rows] > CANDIDATE_PATIENCE_S
        )
        taken = same | vacant
        mine = rows[taken]
        self.candidate[mine] = source[taken]
        self.candidate_ssrc[mine] = ssrc[taken]
        self.candidate_sequence[mine] = sequence[taken]
        self.candidate_at[mine] = at[taken]
        count = np.where(continues, self.candidate_count[rows] + 1, 1)
        self.candidate_count[mine] = count[taken]
        enough: NDArray[np.bool_] = taken & (count >= LEARN_PACKETS)
        return enough

    def _lock(self, rows: Rows, source: NDArray[np.int64]) -> None:
        moved = source != self.described[rows]
        # A peer that is elsewhere than it said keeps its RTCP beside its RTP (RFC 3550 §11).
        elsewhere = rows[moved]
        muxed = self.described_control[elsewhere] == self.described[elsewhere]
        self.remote_control[elsewhere] = source[moved] + np.where(muxed, 0, 1)
        self.remote[rows] = source
        self.locked[rows] = True
