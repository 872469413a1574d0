"""The trunks at work: registrations, qualify and addresses in step with documents and DNS."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from aywa.base.ids import SeededEntropy
from aywa.calls.trunks import Directory, Gate, Trunk, TrunkService, read_trunk
from aywa.calls.trunks.gate import Denied, Origination
from aywa.calls.trunks.service import LOOK_UP_EVERY_S
from aywa.simulation.loop import VirtualClock, run_virtual
from aywa.sip.events import Answered, Qualified, RegistrationChanged
from aywa.sip.io.resolver import NotResolved
from aywa.sip.message import Uri
from aywa.sip.registration import Registrar
from aywa.sip.transport import Hop, Transport

from .conftest import Document, credential, hop, request

REGISTERED = {
    "authUsername": "alice",
    "authPassword": "x",
    "sipRegisterPlan": {"domain": "reg.example.com"},
}


@dataclass
class FakeEndpoint:
    """Keeps what it is told to do, and in which order."""

    said: list[tuple[str, str]] = field(default_factory=list)
    registrars: dict[str, tuple[Registrar, tuple[Hop, ...]]] = field(default_factory=dict)
    asked: dict[str, Hop] = field(default_factory=dict)

    def register(self, registrar: Registrar, targets: Sequence[Hop]) -> None:
        self.said.append(("register", registrar.id))
        self.registrars[registrar.id] = (registrar, tuple(targets))

    def retarget(self, registration_id: str, targets: Sequence[Hop]) -> None:
        registrar, _ = self.registrars[registration_id]
        self.registrars[registration_id] = (registrar, tuple(targets))

    def unregister(self, registration_id: str) -> None:
        self.said.append(("unregister", registration_id))
        del self.registrars[registration_id]

    def qualify(self, peer_id: str, uri: str, target: Hop, every_s: float) -> None:
        assert peer_id not in self.asked
        self.said.append(("qualify", peer_id))
        self.asked[peer_id] = target

    def stop_qualify(self, peer_id: str) -> None:
        self.said.append(("stop", peer_id))
        del self.asked[peer_id]


class FakeResolver:
    """Knows the names that the test gives; a numeric host is itself."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.asked: list[str] = []

    async def resolve(self, uri: Uri, transport: Transport | None = None) -> list[Hop]:
        await asyncio.sleep(0.01)
        self.asked.append(uri.host)
        if uri.host[0].isdigit():
            return [hop(uri.host, uri.port or 5060, transport or "udp")]
        if uri.host not in self.names:
            raise NotResolved(f"{uri.host} has no address")
        found = self.names[uri.host]
        return [hop(host, uri.port or 5060, transport or "udp") for host in found]


class World:
    """A trunk service and all that it works with."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.directory = Directory(b"secret")
        self.gate = Gate(self.clock, countries=("49",))
        self.resolver = FakeResolver()
        self.endpoint = FakeEndpoint()
        self.credentials: list[Document] = []
        self.numbers: list[Document] = []
        self.service = TrunkService(
            self.directory, self.gate, self.resolver, self.clock, SeededEntropy(1), self._load
        )

    async def _load(self) -> tuple[list[Document], list[Document]]:
        return self.credentials, self.numbers

    async def settled(self, seconds: float = 1.0) -> None:
        await asyncio.sleep(seconds)

    def trunk(self, index: int = 0) -> Trunk:
        return read_trunk(self.credentials[index])

    def registration(self, state: str, **fields: object) -> RegistrationChanged:
        usual: dict[str, object] = {
            "status": 200, "reason": "OK", "target": hop("198.51.100.1"),
            "expires_at": None, "next_at": None,
        }  # fmt: skip
        return RegistrationChanged("trunk-1", state, **(usual | fields))  # type: ignore[arg-type]


Scene = Callable[[World], Awaitable[None]]


def played(scene: Scene, *credentials: Document) -> None:
    """Play a scene with these trunks, on the virtual clock; no task may be left."""

    async def main() -> None:
        world = World()
        world.credentials = list(credentials)
        world.resolver.names["reg.example.com"] = ["198.51.100.1", "198.51.100.2"]
        await world.service.start(world.endpoint)
        await world.settled()
        await scene(world)
        await world.service.close()
        assert not world.endpoint.registrars
        assert not world.endpoint.asked

    run_virtual(main())


def test_a_trunk_registers_where_its_domain_leads() -> None:
    async def scene(world: World) -> None:
        registrar, targets = world.endpoint.registrars["trunk-1"]
        assert targets == (hop("198.51.100.1"), hop("198.51.100.2"))
        assert (registrar.uri, registrar.aor) == (
            "sip:reg.example.com",
            "sip:alice@reg.example.com",
        )
        assert registrar.line == world.directory.line("trunk-1")
        assert registrar.contact_user == "alice"
        assert world.directory.knows(hop("198.51.100.2"))

    played(scene, credential(outboundAuthenticationPlan=REGISTERED))


def test_a_domain_that_is_only_a_name_is_registered_at_the_gateways() -> None:
    plan = REGISTERED | {"sipRegisterPlan": {"domain": "ims.invalid"}}

    async def scene(world: World) -> None:
        assert world.endpoint.registrars["trunk-1"][1] == (hop("192.0.2.10"),)
        status = world.service.status("org-1", "trunk-1")
        assert "ims.invalid" in status["registration"]["problem"]

    played(scene, credential(outboundAuthenticationPlan=plan))


def test_the_outbound_proxy_is_where_registrations_go() -> None:
    async def scene(world: World) -> None:
        registrar, targets = world.endpoint.registrars["trunk-1"]
        assert registrar.routes == ("<sip:192.0.2.99:5080;lr>",)
        assert targets == (hop("192.0.2.99", 5080),)

    proxied = {"outboundProxy": "192.0.2.99:5080"}
    played(scene, credential(outboundAuthenticationPlan=REGISTERED, sip=proxied))


def test_names_are_looked_up_again_and_the_old_ones_serve_while_dns_does_not() -> None:
    async def scene(world: World) -> None:
        assert not world.directory.knows(hop("198.51.100.9"))
        world.resolver.names["reg.example.com"] = ["198.51.100.9"]
        await world.settled(LOOK_UP_EVERY_S)
        assert world.endpoint.registrars["trunk-1"][1] == (hop("198.51.100.9"),)
        assert world.directory.knows(hop("198.51.100.9"))
        assert not world.directory.knows(hop("198.51.100.1"))
        del world.resolver.names["reg.example.com"]
        await world.settled(LOOK_UP_EVERY_S)
        assert world.endpoint.registrars["trunk-1"][1] == (hop("198.51.100.9"),)
        assert [what for what, _ in world.endpoint.said].count("register") == 1

    played(scene, credential(outboundAuthenticationPlan=REGISTERED))


def test_a_failed_registration_asks_dns_sooner_and_not_all_the_time() -> None:
    async def scene(world: World) -> None:
        world.resolver.asked.clear()
        for _ in range(8):  # one that goes on failing does not put the look-up off
            world.service.on_event(world.registration("failed", status=503, reason="down"))
            await world.settled(2)
        assert world.resolver.asked.count("reg.example.com") == 1

    played(scene, credential(outboundAuthenticationPlan=REGISTERED))


def test_gateways_that_want_it_are_asked_with_options() -> None:
    gateways = [
        {"ip": "192.0.2.10", "optionsPingEnabled": True},
        {"ip": "192.0.2.11"},
        {"ip": "sip.example.com", "optionsPingEnabled": True, "inboundEnabled": False},
    ]

    async def scene(world: World) -> None:
        assert list(world.endpoint.asked.values()) == [hop("192.0.2.10")]
        status = world.service.status("org-1", "trunk-1")["gateways"]
        assert [one.get("state") for one in status] == ["unknown", None, "unknown"]
        assert "sip.example.com" in status[2]["problem"]
        world.resolver.names["sip.example.com"] = ["198.51.100.7"]
        await world.settled(20)
        assert set(world.endpoint.asked.values()) == {hop("192.0.2.10"), hop("198.51.100.7")}
        peer = next(peer for peer, at in world.endpoint.asked.items() if at == hop("192.0.2.10"))
        dead = Qualified(peer, hop("192.0.2.10"), False, None, None, 3)
        assert world.service.on_event(dead)
        assert world.service.reach(world.trunk()).down == {hop("192.0.2.10")}
        shown = world.service.status("org-1", "trunk-1")["gateways"][0]
        assert (shown["state"], shown["targets"][0]["misses"]) == ("down", 3)
        world.service.on_event(Qualified(peer, hop("192.0.2.10"), True, 200, 12.5, 0))
        assert not world.service.reach(world.trunk()).down
        assert world.service.status("org-1", "trunk-1")["gateways"][0]["state"] == "up"

    played(scene, credential(gateways=gateways))


def test_a_change_touches_only_what_changed() -> None:
    ping = [{"ip": "192.0.2.10", "optionsPingEnabled": True}]
    first = credential(outboundAuthenticationPlan=REGISTERED, gateways=ping)
    second = credential("trunk-2", gateways=[{"ip": "192.0.2.20", "optionsPingEnabled": True}])

    async def scene(world: World) -> None:
        world.service.on_event(world.registration("active", next_at=1_100.0))
        world.endpoint.said.clear()
        world.credentials[0] = first | {"techPrefix": "9"}
        await world.service.refresh()
        await world.settled()
        assert world.endpoint.said == []
        shown = world.service.status("org-1", "trunk-1")["registration"]
        assert shown["state"] == "active"
        assert shown["nextAttemptAt"] == "2023-11-14T22:15:00.000Z"
        secret = REGISTERED | {"authPassword": "new"}
        world.credentials[0] = first | {"outboundAuthenticationPlan": secret}
        await world.service.refresh()
        await world.settled()
        assert world.endpoint.said == [("register", "trunk-1")]
        moved = [{"ip": "192.0.2.77", "optionsPingEnabled": True}]
        world.credentials[0] = credential(gateways=moved)
        await world.service.refresh()
        await world.settled()
        assert "trunk-1" not in world.endpoint.registrars
        assert set(world.endpoint.asked.values()) == {hop("192.0.2.77"), hop("192.0.2.20")}
        del world.credentials[1]
        await world.service.refresh()
        assert set(world.endpoint.asked.values()) == {hop("192.0.2.77")}
        assert world.service.status("org-1", "trunk-2") == {}

    played(scene, first, second)


def test_the_service_route_is_where_calls_go_and_registrations_do_not() -> None:
    async def scene(world: World) -> None:
        routed = world.registration("active", service_routes=("<sip:192.0.2.50;lr>",))
        world.service.on_event(routed)
        await world.settled()
        reach = world.service.reach(world.trunk())
        assert (reach.front, reach.service_routes) == (
            (hop("192.0.2.50"),),
            ("<sip:192.0.2.50;lr>",),
        )
        assert world.directory.knows(hop("192.0.2.50"))
        assert world.endpoint.registrars["trunk-1"][1][0] == hop("198.51.100.1")
        world.service.on_event(world.registration("held", status=403, reason="Forbidden"))
        reach = world.service.reach(world.trunk())
        assert (reach.held, reach.service_routes) == ("403 Forbidden", ())
        assert reach.front[0] == hop("198.51.100.1")

    played(scene, credential(outboundAuthenticationPlan=REGISTERED))


def test_draining_asks_nobody_and_closing_unregisters_last() -> None:
    gateways = [{"ip": "192.0.2.10", "optionsPingEnabled": True}]

    async def scene(world: World) -> None:
        await world.service.drain()
        assert world.endpoint.said[-1][0] == "stop"
        assert "trunk-1" in world.endpoint.registrars
        await world.service.close()
        assert world.endpoint.said[-1] == ("unregister", "trunk-1")

    played(scene, credential(gateways=gateways, outboundAuthenticationPlan=REGISTERED))


def test_a_trunk_that_cannot_be_used_tells_its_owner_and_hurts_no_other() -> None:
    async def scene(world: World) -> None:
        shown = world.service.statuses("org-1")
        assert [one["credentialId"] for one in shown] == ["trunk-1", "bad"]
        assert "at least one gateway" in shown[1]["problem"]
        assert world.service.statuses("org-2") == []
        assert world.service.status("org-2", "trunk-1") == {}
        assert world.service.status("org-2", "bad") == {}

    played(scene, credential(), credential("bad", gateways=[]), {"provider": "openai", "id": "x"})


def test_the_last_twenty_refusals_are_kept_with_their_reason() -> None:
    async def scene(world: World) -> None:
        for n in range(25):
            world.directory.judge(request(f"sip:{n:04}@192.0.2.1"), hop("192.0.2.10"))
        world.service.note_denied("trunk-1", Denied("unlisted-number", "It may not be."), "+1")
        refusals = world.service.status("org-1", "trunk-1")["refusals"]
        assert len(refusals) == 20
        assert refusals[-1] == {
            "time": "2023-11-14T22:13:21.000Z",
            "direction": "outbound",
            "called": "+1",
            "code": "unlisted-number",
            "reason": "It may not be.",
        }
        assert refusals[-2]["called"] == "0024"
        assert refusals[-2]["status"] == 404
        assert refusals[-2]["source"] == "udp:192.0.2.10:5060"
        assert "no phone number '0024'" in refusals[-2]["reason"]

    played(scene, credential())


def test_calls_are_counted_in_the_status() -> None:
    async def scene(world: World) -> None:
        world.gate.decide(Origination("1", world.trunk(), "+4930123456"))
        world.gate.receive("2", world.trunk())
        await world.settled(90)
        calls = world.service.status("org-1", "trunk-1")["calls"]
        expected = {"live": 2, "placed": 1, "received": 1, "denied": 0, "minutesToday": 1.5}
        assert calls == expected

    played(scene, credential())


def test_events_of_others_are_not_taken() -> None:
    async def scene(world: World) -> None:
        assert not world.service.on_event(Answered("leg", None, ()))
        stranger = RegistrationChanged("nobody", "active", 200, "OK", None, None, None)
        assert world.service.on_event(stranger)
        assert world.service.on_event(Qualified("nobody", hop("1.2.3.4"), True, 200, 1.0, 0))

    played(scene, credential())


def test_the_answer_to_challenges_is_kept_until_the_account_changes() -> None:
    async def scene(world: World) -> None:
        first = world.service.authenticator(world.trunk())
        assert first is world.service.authenticator(world.trunk())
        plan = {"authUsername": "alice", "authPassword": "new"}
        world.credentials[0] = credential(outboundAuthenticationPlan=plan)
        await world.service.refresh()
        assert world.service.authenticator(world.trunk()) is not first
        assert world.service.authenticator(read_trunk(credential())) is None

    played(scene, credential(outboundAuthenticationPlan=REGISTERED))


def test_a_thousand_trunks_are_looked_up_beside_each_other() -> None:
    many = [credential(f"t{i}", gateways=[{"ip": f"10.0.{i >> 8}.{i & 255}"}]) for i in range(1000)]

    async def scene(world: World) -> None:
        assert len(world.resolver.asked) == 1000

    played(scene, *many)


def test_a_bug_in_looking_up_costs_one_trunk_only(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(world: World) -> None:
        honest = world.resolver.resolve

        async def broken(uri: Uri, transport: Transport | None = None) -> list[Hop]:
            if uri.host == "192.0.2.66":
                raise RuntimeError("a bug")
            return await honest(uri, transport)

        world.resolver.resolve = broken  # type: ignore[method-assign]  # the bug
        world.credentials += [
            credential("bad", gateways=[{"ip": "192.0.2.66"}]),
            credential("good", gateways=[{"ip": "192.0.2.67"}]),
        ]
        await world.service.refresh()
        await world.settled()
        good = world.service.reach(read_trunk(world.credentials[-1]))
        assert good.gateways == {0: (hop("192.0.2.67"),)}
        assert "trunk not looked up" in caplog.text

    played(scene, credential())
