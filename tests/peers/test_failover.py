"""A registrar that dies, and another one that the name server names as well."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.peers.carrier import Carrier
from tests.peers.dns import NameServer
from tests.peers.places import Place
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.test_trunks import add_trunk, registered, status

pytestmark = pytest.mark.peers

DOMAIN = "carrier.test"


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer({})
    yield server
    server.close()


def test_a_second_srv_target_takes_over_and_gives_back(
    loopback: Place,
    phones: None,
    server: NameServer,
    record_property: Callable[[str, object], None],
) -> None:
    first, second = Carrier.start(loopback, expires=20), Carrier.start(loopback, expires=20)
    runtime = asking(loopback, server, first.port, second.port)
    name = add_trunk(runtime, trunk_of(first))
    runtime.program.watch(registered(runtime, name), "the trunk to be registered", 10)
    assert target(runtime, name) == first.port

    first.stop()
    began = time.monotonic()
    runtime.program.watch(lambda: bool(second.bindings()), "the second target", 40)
    took = time.monotonic() - began
    assert registered(runtime, name)()
    assert target(runtime, name) == second.port
    record_property(
        "figure",
        f"the second target was registered {took:.1f} s after the crash, "
        "at the next refresh (20 s granted)",
    )

    Carrier.start(loopback, port=first.port, expires=20)
    runtime.program.watch(lambda: target(runtime, name) == first.port, "the first again", 100)


def test_a_target_that_refuses_gives_way_at_once(
    loopback: Place,
    phones: None,
    server: NameServer,
    record_property: Callable[[str, object], None],
) -> None:
    carrier, nobody = Carrier.start(loopback), loopback.free_port()
    runtime = asking(loopback, server, nobody, carrier.port)
    began = time.monotonic()
    name = add_trunk(runtime, trunk_of(carrier))
    runtime.program.watch(registered(runtime, name), "the trunk to be registered", 10)
    took = time.monotonic() - began
    assert target(runtime, name) == carrier.port
    assert took < 2
    record_property("figure", f"registered at the second target {took:.2f} s after the start")


def asking(place: Place, server: NameServer, *ports: int) -> RuntimeProcess:
    """A runtime that asks the name server, which names a target on each port, the best first."""
    server.records[f"_sip._udp.{DOMAIN}", "SRV"] = [
        f"{10 * rank} 0 {port} t{rank}.{DOMAIN}." for rank, port in enumerate(ports)
    ]
    for rank in range(len(ports)):
        server.records[f"t{rank}.{DOMAIN}", "A"] = ["127.0.0.1"]
    host, port = server.address
    return RuntimeProcess.start(place, environ={"RUNTIME_SIP_NAMESERVERS": f"{host}:{port}"})


def trunk_of(carrier: Carrier) -> dict[str, Any]:
    """A trunk of the carrier's that is registered where the name server says."""
    trunk = dict(carrier.trunk("alice"), gateways=[{"ip": DOMAIN}])
    plan = {"sipRegisterPlan": {"domain": DOMAIN}}
    trunk["outboundAuthenticationPlan"] = trunk["outboundAuthenticationPlan"] | plan
    return trunk


def target(runtime: RuntimeProcess, trunk: str) -> int:
    """The port of the registrar that is used."""
    shown = status(runtime, trunk)["registration"]["target"]
    return int(shown.rpartition(":")[2])
