"""Resolving SIP URIs to targets over DNS (RFC 3263): asks, remembers, never blocks the loop.

sip:192.0.2.1         that address
sip:host:5070         A and AAAA of the host
sip:domain            NAPTR, else SRV of each transport, else A and AAAA of the domain
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Literal

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
from dns.rdatatype import RdataType

from ...base.clock import Clock
from ...base.ids import Entropy
from ..errors import SipError
from ..message import Uri
from ..targets import SRV_NAMES, Naptr, Srv, ordered, services
from ..transport import TRANSPORTS, Hop, Transport

ANSWERS_KEPT = 4_096
LIFETIME_S = 4.0
"""How long one question may take, over every name server."""
TTL_MIN_S, TTL_MAX_S, NOTHING_S = 5.0, 3_600.0, 30.0
MAX_TARGETS = 32

Question = Literal["NAPTR", "SRV", "A", "AAAA"]


class NotResolved(SipError):
    """A host leads nowhere; the message says what was asked and what came."""


@dataclass(frozen=True, slots=True)
class _Answer:
    records: tuple[Any, ...]
    until: float


class Resolver:
    """Turns URIs into targets, best first. Made once and shared: it remembers answers."""

    def __init__(
        self,
        clock: Clock,
        entropy: Entropy,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        ipv4: bool = True,
        ipv6: bool = True,
    ) -> None:
        """Without `nameservers` those of the system. Only addresses of the given versions."""
        self._clock = clock
        self._entropy = entropy
        self._versions = (*((4,) if ipv4 else ()), *((6,) if ipv6 else ()))
        self._dns = _client(nameservers)
        self._known: OrderedDict[tuple[str, Question], _Answer] = OrderedDict()

    async def resolve(self, uri: Uri, transport: Transport | None = None) -> list[Hop]:
        """Where requests to a URI may go, best first. Raises NotResolved, LocalSipError."""
        first = Hop.of_uri(uri, transport or "udp")
        if uri.transport or uri.scheme == "sips":
            transport = first.transport
        if version := _version(first.host):
            if version not in self._versions:
                raise NotResolved(f"{first.host} is IPv{version}, which we do not listen on")
            return [first]
        if uri.port is not None:
            return await self._addresses(first)
        hops: list[Hop] = []
        for chosen, record in await self._services(first.host, transport):
            hop = Hop(chosen, record.host, record.port)
            hops += await self._addresses(replace(hop, server_name=first.host), quietly=True)
            if len(hops) >= MAX_TARGETS:
                break
        return hops[:MAX_TARGETS] or await self._addresses(first)

    async def _services(self, domain: str, wanted: Transport | None) -> list[tuple[Transport, Srv]]:
        """The SRV records of a domain, over its transports in the order of its wishes."""
        found = services(await self._naptr(domain), secure=wanted == "tls")
        names = [(t, name) for t, name in found if wanted in (None, t)]
        if not names:
            asked = TRANSPORTS if wanted is None else (wanted,)
            names = [(t, f"{SRV_NAMES[t]}.{domain}") for t in asked]
        records: list[tuple[Transport, Srv]] = []
        for chosen, name in names:
            srv = [
                Srv(r.priority, r.weight, r.port, r.target.to_text(omit_final_dot=True))
                for r in await self._ask(name, "SRV")
            ]
            records += [(chosen, record) for record in ordered(srv, self._entropy)]
        return records

    async def _naptr(self, domain: str) -> list[Naptr]:
        return [
            Naptr(
                r.order,
                r.preference,
                r.flags.decode("ascii", "replace"),
                r.service.decode("ascii", "replace"),
                r.replacement.to_text(omit_final_dot=True),
            )
            for r in await self._ask(domain, "NAPTR")
        ]

    async def _addresses(self, hop: Hop, *, quietly: bool = False) -> list[Hop]:
        """One target for each address of a host."""
        if _version(hop.host):
            return [hop] if _version(hop.host) in self._versions else []
        server = hop.server_name or hop.host
        kinds: list[Question] = ["A"] if 4 in self._versions else []
        kinds += ["AAAA"] if 6 in self._versions else []
        found = [
            str(record.address) for kind in kinds for record in await self._ask(hop.host, kind)
        ]
        if not found:
            found = await self._of_the_system(hop.host)
        if not found and not quietly:
            raise NotResolved(
                f"{hop.host} has no address: the name servers know neither SRV nor address "
                "records of it"
            )
        return [replace(hop, host=address, server_name=server) for address in found]

    async def _of_the_system(self, host: str) -> list[str]:
        """Names of /etc/hosts, which no name server knows."""
        try:
            found = await asyncio.wait_for(
                asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM),
                LIFETIME_S,
            )
        except (OSError, UnicodeError, TimeoutError):
            return []
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        return [address for address in addresses if _version(address) in self._versions]

    async def _ask(self, name: str, kind: Question) -> tuple[Any, ...]:
        """The records of a name; none when there are none, or nobody answers."""
        key = (name.lower(), kind)
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known and known.until > now:
            return known.records
        records, ttl = await self._query(name, kind)
        self._known[key] = _Answer(records, now + ttl)
        self._known.move_to_end(key)
        while len(self._known) > ANSWERS_KEPT:
            self._known.popitem(last=False)
        return records

    async def _query(self, name: str, kind: Question) -> tuple[tuple[Any, ...], float]:
        if self._dns is None:
            return (), NOTHING_S
        try:
            answer = await self._dns.resolve(
                name, RdataType[kind], lifetime=LIFETIME_S, search=False
            )
        except dns.exception.DNSException:
            return (), NOTHING_S
        ttl = float(answer.rrset.ttl) if answer.rrset else NOTHING_S
        return tuple(answer), min(max(ttl, TTL_MIN_S), TTL_MAX_S)


def _client(nameservers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver | None:
    if nameservers:
        client = dns.asyncresolver.Resolver(configure=False)
        client.nameservers = [
            dns.nameserver.Do53Nameserver(host, port) for host, port in nameservers
        ]
        return client
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return None  # a machine without name servers has its /etc/hosts


def _version(host: str) -> int | None:
    try:
        return ip_address(host).version
    except ValueError:
        return None
