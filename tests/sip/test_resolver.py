"""RFC 3263 against a name server of the test's own."""

from collections.abc import Iterator

import pytest

from aywa.base.clock import SystemClock
from aywa.base.ids import SeededEntropy
from aywa.sip.io.resolver import NotResolved, Resolver
from aywa.sip.message import Uri
from aywa.sip.transport import Hop, Transport
from tests.peers.dns import NameServer

ZONE = {
    ("trunk.test", "NAPTR"): [
        '20 0 "s" "SIP+D2U" "" _sip._udp.trunk.test.',
        '10 0 "s" "SIPS+D2T" "" _sips._tcp.trunk.test.',
    ],
    ("_sip._udp.trunk.test", "SRV"): ["10 0 5060 b.trunk.test.", "5 0 5070 a.trunk.test."],
    ("_sips._tcp.trunk.test", "SRV"): ["1 0 5061 a.trunk.test."],
    ("a.trunk.test", "A"): ["192.0.2.1"],
    ("a.trunk.test", "AAAA"): ["2001:db8::1"],
    ("b.trunk.test", "A"): ["192.0.2.2"],
    ("plain.test", "A"): ["192.0.2.9"],
    ("srv.test", "A"): ["192.0.2.8"],
    ("_sip._tcp.srv.test", "SRV"): ["1 0 5080 plain.test."],
    ("gone.test", "SRV"): [],
}


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer(dict(ZONE))
    yield server
    server.close()


def resolver(server: NameServer, *, ipv6: bool = False) -> Resolver:
    return Resolver(SystemClock(), SeededEntropy(1), [server.address], ipv6=ipv6)


async def found(
    server: NameServer, uri: str, transport: Transport | None = None, *, ipv6: bool = False
) -> list[tuple[str, str, int]]:
    hops = await resolver(server, ipv6=ipv6).resolve(Uri.parse(uri), transport)
    return [(hop.transport, hop.host, hop.port) for hop in hops]


async def test_the_domain_s_wishes_are_followed_in_order(server: NameServer) -> None:
    assert await found(server, "sip:trunk.test", ipv6=True) == [
        ("tls", "192.0.2.1", 5061),
        ("tls", "2001:db8::1", 5061),
        ("udp", "192.0.2.1", 5070),
        ("udp", "2001:db8::1", 5070),
        ("udp", "192.0.2.2", 5060),
    ]


async def test_a_transport_that_is_given_is_kept(server: NameServer) -> None:
    udp = [("udp", "192.0.2.1", 5070), ("udp", "192.0.2.2", 5060)]
    assert await found(server, "sip:trunk.test;transport=udp") == udp
    assert await found(server, "sip:trunk.test", "udp") == udp
    assert await found(server, "sips:trunk.test") == [("tls", "192.0.2.1", 5061)]
    assert await found(server, "sip:srv.test") == [("tcp", "192.0.2.9", 5080)]


async def test_what_needs_no_srv_record_asks_for_none(server: NameServer) -> None:
    assert await found(server, "sip:192.0.2.77:5099;transport=tcp") == [("tcp", "192.0.2.77", 5099)]
    assert await found(server, "sip:srv.test:5071") == [("udp", "192.0.2.8", 5071)]
    assert ("srv.test", "NAPTR") not in server.asked
    assert await found(server, "sip:plain.test") == [("udp", "192.0.2.9", 5060)]
    assert await found(server, "sip:localhost") == [("udp", "127.0.0.1", 5060)]


async def test_the_name_that_a_certificate_must_show_is_the_one_that_was_asked_for(
    server: NameServer,
) -> None:
    hops = await resolver(server).resolve(Uri.parse("sips:trunk.test"))
    assert hops == [Hop("tls", "192.0.2.1", 5061, "trunk.test")]


async def test_answers_are_remembered_as_long_as_they_hold(server: NameServer) -> None:
    one = resolver(server)
    for _ in range(3):
        await one.resolve(Uri.parse("sip:plain.test"))
    assert server.asked["plain.test", "A"] == 1


@pytest.mark.parametrize("uri", ["sip:nowhere.test", "sip:gone.test", "sip:[2001:db8::9]"])
async def test_what_leads_nowhere_is_told_in_words(server: NameServer, uri: str) -> None:
    with pytest.raises(NotResolved, match=r"no address|IPv6"):
        await resolver(server).resolve(Uri.parse(uri))
