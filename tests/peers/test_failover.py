"""A registrar that dies, and another one that the name server names as well."""

import time
from collections.abc import Callable, Iterator

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
    server.records |= {
        ("_sip._udp.carrier.test", "SRV"): [
            f"10 0 {first.port} one.carrier.test.",
            f"20 0 {second.port} two.carrier.test.",
        ],
        ("one.carrier.test", "A"): ["127.0.0.1"],
        ("two.carrier.test", "A"): ["127.0.0.1"],
    }
    host, port = server.address
    runtime = RuntimeProcess.start(loopback, environ={"RUNTIME_SIP_NAMESERVERS": f"{host}:{port}"})
    trunk = dict(first.trunk("alice"), gateways=[{"ip": DOMAIN}])
    trunk["outboundAuthenticationPlan"] = trunk["outboundAuthenticationPlan"] | {
        "sipRegisterPlan": {"domain": DOMAIN}
    }
    name = add_trunk(runtime, trunk)
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
    server.records |= {
        ("_sip._udp.carrier.test", "SRV"): [
            f"10 0 {nobody} one.carrier.test.",
            f"20 0 {carrier.port} two.carrier.test.",
        ],
        ("one.carrier.test", "A"): ["127.0.0.1"],
        ("two.carrier.test", "A"): ["127.0.0.1"],
    }
    host, port = server.address
    runtime = RuntimeProcess.start(loopback, environ={"RUNTIME_SIP_NAMESERVERS": f"{host}:{port}"})
    trunk = dict(carrier.trunk("alice"), gateways=[{"ip": DOMAIN}])
    trunk["outboundAuthenticationPlan"] = trunk["outboundAuthenticationPlan"] | {
        "sipRegisterPlan": {"domain": DOMAIN}
    }
    began = time.monotonic()
    name = add_trunk(runtime, trunk)
    runtime.program.watch(registered(runtime, name), "the trunk to be registered", 10)
    took = time.monotonic() - began
    assert target(runtime, name) == carrier.port
    assert took < 2
    record_property("figure", f"registered at the second target {took:.2f} s after the start")


def target(runtime: RuntimeProcess, trunk: str) -> int:
    """The port of the registrar that is used."""
    shown = status(runtime, trunk)["registration"]["target"]
    return int(shown.rpartition(":")[2])
