"""Batches of datagrams as arrays, and addresses as numbers: what crosses the engine's edge.

An address is one int64, so that a column of sources is compared in one operation: IPv4 is
`host << 16 | port`; an IPv6 host is replaced by a number of the `AddressBook`. 0 is no address.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

import numpy as np
from numpy.typing import NDArray

DATAGRAM_WIDTH = 1536
"""Octets kept of a datagram; longer ones are cut and count as malformed."""
MIN_WIDTH = 64
"""Octets of a datagram that can be looked at, however short it is."""
NO_ADDRESS = 0
IPV6_BASE = 1 << 32
IPV6_HOSTS = 65536
"""IPv6 hosts an address book remembers; further ones are treated as strangers."""


@dataclass(frozen=True, slots=True)
class Received:
    """Datagrams that came in since the last tick, in arrival order within each row.

    `stamp` is the kernel's receive time in epoch seconds; `control` marks the RTCP port.
    """

    data: NDArray[np.uint8]
    length: NDArray[np.int64]
    row: NDArray[np.int64]
    source: NDArray[np.int64]
    stamp: NDArray[np.float64]
    control: NDArray[np.bool_]

    @classmethod
    def allocate(cls, count: int) -> Self:
        """A batch to be filled in place."""
        return cls(
            np.zeros((count, DATAGRAM_WIDTH), np.uint8),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
            np.zeros(count, np.float64),
            np.zeros(count, np.bool_),
        )

    def __len__(self) -> int:
        return len(self.length)

    def head(self, count: int) -> Self:
        """The first `count` datagrams, as views."""
        return type(self)(
            self.data[:count],
            self.length[:count],
            self.row[:count],
            self.source[:count],
            self.stamp[:count],
            self.control[:count],
        )

    def narrowed(self) -> Self:
        """The same with the data as wide as the longest datagram, as views."""
        longest = min(max(int(self.length.max(initial=0)), MIN_WIDTH), self.data.shape[1])
        data = self.data[:, :longest]
        return type(self)(data, self.length, self.row, self.source, self.stamp, self.control)

    def select(self, index: NDArray[np.int64]) -> Self:
        """Some of the datagrams."""
        return type(self)(
            self.data[index],
            self.length[index],
            self.row[index],
            self.source[index],
            self.stamp[index],
            self.control[index],
        )


@dataclass(frozen=True, slots=True)
class Datagrams:
    """Datagrams to send, from the RTP port of each row, or from its RTCP port if `control`."""

    data: NDArray[np.uint8]
    length: NDArray[np.int64]
    row: NDArray[np.int64]
    destination: NDArray[np.int64]
    control: bool


@lru_cache(maxsize=8192)
def _host(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


class AddressBook:
    """Turns addresses into numbers and back."""

    def __init__(self) -> None:
        self._numbers: dict[IPv6Address, int] = {}
        self._hosts: list[IPv6Address] = []

    def number(self, host: str, port: int) -> int:
        """The number of an address; NO_ADDRESS if `host` is no IP address."""
        parsed = _host(host)
        if isinstance(parsed, IPv4Address):
            return int(parsed) << 16 | port
        if parsed is None:
            return NO_ADDRESS
        known = self._numbers.get(parsed)
        if known is None:
            if len(self._hosts) >= IPV6_HOSTS:
                return NO_ADDRESS
            known = self._numbers[parsed] = len(self._hosts)
            self._hosts.append(parsed)
        return (IPV6_BASE + known) << 16 | port

    def address(self, number: int) -> tuple[str, int]:
        """The (host, port) of a number that this book gave."""
        host, port = number >> 16, number & 0xFFFF
        if host >= IPV6_BASE:
            return str(self._hosts[host - IPV6_BASE]), port
        return _dotted(host), port


@lru_cache(maxsize=8192)
def _dotted(host: int) -> str:
    return str(IPv4Address(host))
