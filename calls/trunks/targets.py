"""Which hosts may be called by SIP URI: a request over REST must not scan somebody's network.

Networks and host names are those of the settings; `*` stands for every public address. Private,
loopback, link-local and multicast addresses are reached only if a network names them.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

ANYWHERE = "*"

_NUMERIC_LABEL = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")
"""`127.1` and `0x7f000001` are addresses to a resolver, and no host names (RFC 1123 §2.1)."""


class Targets:
    """The hosts that `customer.sipUri` may name."""

    def __init__(self, listed: Iterable[str]) -> None:
        """`listed` are networks, addresses, host names and `*`. Raises ValueError."""
        self._anywhere = False
        self._names: set[str] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for item in listed:
            if item == ANYWHERE:
                self._anywhere = True
            elif re.fullmatch(r"[0-9A-Fa-f:.]+(?:/[0-9]+)?", item) and (
                ":" in item or item[0] in "0123456789"
            ):
                self._networks.append(ip_network(item, strict=False))
            else:
                self._names.add(item.rstrip(".").lower())

    def refusal(self, host: str) -> str | None:
        """Why a host may not be called, as it stands in the URI; None: it may."""
        name = host.strip("[]").rstrip(".").lower()
        if address := address_of(name):
            return self._refusal_of(address)
        if _NUMERIC_LABEL.fullmatch(name):
            return f"{host!r} is neither an address nor a host name"
        if name in self._names or self._anywhere:
            return None
        return f"{name!r} is not among the permitted targets"

    def refusal_of_addresses(self, host: str, addresses: Sequence[str]) -> str | None:
        """Why a host may not be called, now that its addresses are known; None: it may.

        A name that everybody may own must not lead into a private network.
        """
        name = host.strip("[]").rstrip(".").lower()
        if name in self._names:
            return None
        for text in addresses:
            address = address_of(text)
            why = self._refusal_of(address) if address else f"{text!r} is no address"
            if why:
                return f"{name!r} leads to {text}: {why}"
        return None

    def _refusal_of(self, address: IPv4Address | IPv6Address) -> str | None:
        if any(address in network for network in self._networks):
            return None
        if self._anywhere and address.is_global and not address.is_multicast:
            return None
        kind = (
            "a private or special address" if self._anywhere else "not among the permitted targets"
        )
        return f"{address} is {kind}"


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """An address, that of IPv4 if it is only dressed as IPv6; None for a name."""
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
