"""Where requests come from, looked up: an address, a line token, a called number.

Every lookup is a dictionary: the tables are built anew when a trunk or number changes, and asked
for every request. Knows trunks and numbers; judges nothing.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from ...sip.errors import SipParseError
from ...sip.message import Address, Request
from ...store.documents import Document
from .numbering import cleaned, readings
from .targets import address_of
from .trunk import Gateway, Trunk

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """One gateway of one trunk, met at an address."""

    trunk: Trunk
    index: int
    """Which of the trunk's gateways; -1: its registrar or proxy."""
    gateway: Gateway | None


class Sources:
    """Which trunks an address belongs to."""

    def __init__(self) -> None:
        self._by_network: dict[tuple[int, int, int], list[Place]] = defaultdict(list)
        self._lengths: dict[int, list[int]] = {4: [], 6: []}
        self._starts: dict[int, list[tuple[int, Network]]] = {4: [], 6: []}

    def add(self, network: Network, place: Place) -> None:
        """Requests from `network` may be of this trunk."""
        version, length = network.version, network.prefixlen
        start = int(network.network_address)
        if length not in self._lengths[version]:
            insort(self._lengths[version], length)
        places = self._by_network[version, length, start]
        if not places:
            insort(self._starts[version], (start, network), key=lambda item: item[0])
        if place not in places:
            places.append(place)

    def add_address(self, host: str, place: Place) -> None:
        """The same for one address; a host name is left out."""
        if address := address_of(host):
            self.add(ip_network(address), place)

    def of(self, host: str) -> list[Place]:
        """The gateways an address belongs to, those of the smallest network first."""
        address = address_of(host)
        if address is None:
            return []
        number, bits = int(address), address.max_prefixlen
        found: list[Place] = []
        for length in reversed(self._lengths[address.version]):
            start = number >> (bits - length) << (bits - length)
            found += self._by_network.get((address.version, length, start), ())
        return found

    def nearest(self, host: str) -> tuple[Network, Place] | None:
        """The known network whose address shares the longest beginning with this one."""
        address = address_of(host)
        starts = self._starts[address.version] if address else []
        if address is None or not starts:
            return None
        number = int(address)
        at = bisect_left(starts, number, key=lambda item: item[0])
        around = starts[max(0, at - 1) : at + 1]
        start, network = min(around, key=lambda item: item[0] ^ number)
        return network, self._by_network[address.version, network.prefixlen, start][0]


class Numbers:
    """Phone numbers by what is dialled, in the order in which they were created."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._of_trunk: dict[tuple[str, str, str], list[Document]] = defaultdict(list)
        self._by_user: dict[str, list[Document]] = defaultdict(list)
        self._count: dict[tuple[str, str], list[Document]] = defaultdict(list)
        for document in sorted(documents, key=lambda one: (one.get("createdAt") or "", one["id"])):
            self._add(document)

    def _add(self, document: Document) -> None:
        names = names_of(document)
        for name in names:
            self._by_user[name].append(document)
        if trunk_id := document.get("credentialId"):
            org_id = document["orgId"]
            self._count[org_id, trunk_id].append(document)
            for name in names:
                self._of_trunk[org_id, trunk_id, name].append(document)

    def on(self, trunk: Trunk, user: str) -> Document | None:
        """The trunk's number that a user part reaches: of the same organisation only."""
        for reading in (*readings(user, trunk.plan), cleaned(user).removeprefix("+")):
            if found := self._of_trunk.get((trunk.org_id, trunk.id, reading)):
                return found[0]
        return None

    def only_one(self, trunk: Trunk) -> Document | None:
        """The trunk's number, if it has just one."""
        numbers = self._count.get((trunk.org_id, trunk.id), ())
        return numbers[0] if len(numbers) == 1 else None

    def of_anyone(self, user: str) -> Sequence[Document]:
        """Every number that a user part reaches, oldest first."""
        return self._by_user.get(cleaned(user), ())


def names_of(document: Document) -> tuple[str, ...]:
    """The user parts that reach a phone number: its number with and without plus, its SIP user."""
    number, uri = document.get("number"), document.get("sipUri")
    names = [number, number.removeprefix("+")] if number else []
    if uri:
        names.append(cleaned(uri.partition(":")[2].partition("@")[0]))
    return tuple(dict.fromkeys(names))


def called_users(request: Request) -> list[str]:
    """Whom a request may be for, the surest first: Request-URI, P-Called-Party-ID, To."""
    users = [request.uri.user or ""] if request.uri.is_sip else []
    try:
        called = request.headers.first("P-Called-Party-ID")
        if called:
            users.append(Address.parse(called).uri.user or "")
        users.append(request.to.uri.user or "")
    except SipParseError:
        pass  # the Request-URI was read; the others only help
    return [user for user in dict.fromkeys(users) if user]
