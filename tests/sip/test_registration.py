"""Registrations and qualify, against a scripted registrar in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import UserAgent, UserAgentSettings
from aywa.sip.digest import Credentials
from aywa.sip.digest_server import DigestServer
from aywa.sip.doorkeeper import Account
from aywa.sip.events import Qualified, RegistrationChanged, SipEvent
from aywa.sip.message import Request, Response, parse_message
from aywa.sip.registration import Registrar
from aywa.sip.targets import HOLD_DOWN_S, Naptr, Srv, TargetHealth, ordered, services
from aywa.sip.transport import Hop

FIRST, SECOND = Hop("udp", "192.0.2.10", 5060), Hop("udp", "192.0.2.11", 5060)
ALICE = Credentials("alice", "s3cret")
Answer = Callable[[Request], Response | None]


def granting(seconds: int, *extra: tuple[str, str]) -> Answer:
    """A registrar that grants so many seconds."""

    def answer(request: Request) -> Response:
        response = request.response(200, to_tag="r")
        contact = request.headers.first("Contact") or ""
        asked = contact.partition("expires=")[2]
        if asked != "0":
            other = "<sip:phone@192.0.2.99>;expires=5"
            response.headers.add("Contact", f"{other}, {contact.replace(asked, str(seconds))}")
        for name, value in extra:
            response.headers.add(name, value)
        return response

    return answer


def saying(status: int, *headers: tuple[str, str]) -> Answer:
    """A registrar that always answers so."""

    def answer(request: Request) -> Response:
        response = request.response(status, to_tag="r")
        for name, value in headers:
            response.headers.add(name, value)
        return response

    return answer


def silent(_: Request) -> None:
    """A registrar that is not there."""


@dataclass
class World:
    """A user agent, registrars by their address, and the clock."""

    agent: UserAgent = field(
        default_factory=lambda: UserAgent(UserAgentSettings("192.0.2.1"), SeededEntropy(1))
    )
    registrars: dict[Hop, Answer] = field(default_factory=dict)
    refusing: set[Hop] = field(default_factory=set)
    now: float = 1_000.0
    sent: list[tuple[float, Hop, Request]] = field(default_factory=list)
    events: list[SipEvent] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)

    def register(self, *targets: Hop, name: str = "t", **fields: object) -> None:
        line = f"line-of-{name}"
        registrar = Registrar(
            name, "sip:trunk.test", "sip:alice@trunk.test", "alice", line, **fields
        )  # type: ignore[arg-type]
        self.agent.registrations.add(registrar, targets, self.now)
        self.pump()

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.agent.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.agent.handle_timer(self.now)
            self.pump()
        self.now = end

    def pump(self) -> None:
        while pending := self.agent.messages_to_send():
            for transmission in pending:
                hop = transmission.route.hop
                if transmission.data == b"\r\n\r\n":
                    self.pings.append(self.now)
                elif hop in self.refusing:
                    self.agent.transmission_failed(transmission, self.now)
                else:
                    self._deliver(hop, transmission.data)
        self.events += self.agent.events()

    def _deliver(self, hop: Hop, data: bytes) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        self.sent.append((self.now, hop, request))
        answer = self.registrars.get(hop, silent)(request)
        if answer is not None:
            self.agent.receive(bytes(answer), hop, self.now + 0.01)

    @property
    def told(self) -> list[RegistrationChanged]:
        return [event for event in self.events if isinstance(event, RegistrationChanged)]

    @property
    def times(self) -> list[float]:
        return [at - 1_000.0 for at, _, _ in self.sent]


@pytest.fixture
def world() -> World:
    return World()


def digest_registrar(seconds: int, password: str = "s3cret", nonce_s: float = 1e9) -> "DigestBox":
    return DigestBox(granting(seconds), DigestServer(SeededEntropy(7)), password, nonce_s)


@dataclass
class DigestBox:
    """A registrar that wants proof; `now` is set by the test."""

    inner: Answer
    server: DigestServer
    password: str
    nonce_s: float
    now: float = 0.0

    def __call__(self, request: Request) -> Response | None:
        account = Account("alice", self.password)
        found = self.server.verify(request, "trunk.test", lambda _: account, self.now)
        if found == account:
            return self.inner(request)
        response = request.response(401, to_tag="r")
        for challenge in self.server.challenge("trunk.test", self.now, stale=found == "stale"):
            response.headers.add("WWW-Authenticate", challenge)
        return response


def test_a_registration_is_refreshed_before_it_ends(world: World) -> None:
    world.registrars[FIRST] = granting(120)
    world.register(FIRST)
    world.run(400)
    gaps = [b - a for a, b in zip(world.times, world.times[1:], strict=False)]
    assert len(gaps) >= 3
    assert all(0.75 * 120 <= gap <= 0.9 * 120 for gap in gaps)
    assert {told.state for told in world.told} == {"active"}
    first, second = world.sent[0][2], world.sent[1][2]
    assert first.call_id == second.call_id
    assert first.from_.tag == second.from_.tag
    assert second.cseq.sequence == first.cseq.sequence + 1
    assert first.headers.first("Contact") == (
        "<sip:alice@192.0.2.1:5060;line=line-of-t>;expires=3600"
    )


def test_a_challenge_is_answered_and_its_nonce_used_again(world: World) -> None:
    box = world.registrars[FIRST] = digest_registrar(60)
    world.register(FIRST, credentials=ALICE)
    world.run(170)
    assert len(world.told) == 4
    requests = [request for _, _, request in world.sent]
    assert "Authorization" not in requests[0].headers
    counts = [r.headers.first("Authorization") or "" for r in requests[1:]]
    assert ["nc=00000001" in counts[0], "nc=00000002" in counts[1], "nc=00000003" in counts[2]] == [
        True
    ] * 3
    assert "algorithm=SHA-256" in counts[0]
    box.now = 10_000  # the nonce is stale now: one more round, nobody notices
    world.run(60)
    assert world.told[-1].state == "active"
    assert "nc=00000001" in (world.sent[-1][2].headers.first("Authorization") or "")


def test_a_wrong_password_is_not_tried_often(world: World) -> None:
    world.registrars[FIRST] = digest_registrar(60, "another")
    world.register(FIRST, credentials=ALICE)
    world.run(600)
    assert len(world.sent) <= 6
    assert world.told[-1].state == "held"
    assert "username and password" in world.told[-1].reason
    gaps = [told.next_at - 1_000.0 for told in world.told if told.next_at]
    assert gaps[0] == pytest.approx(300, abs=1)
    assert "s3cret" not in repr(world.told)


def test_403_holds_off_longer_and_longer(world: World) -> None:
    world.registrars[FIRST] = saying(403)
    world.register(FIRST)
    world.run(3 * 3600)
    assert [round(b - a) for a, b in zip(world.times, world.times[1:], strict=False)] == [
        300,
        600,
        1200,
        2400,
        3600,
    ]


def test_the_registrar_says_how_to_ask(world: World) -> None:
    answers = [saying(423, ("Min-Expires", "7200")), granting(7200)]
    world.registrars[FIRST] = lambda request: answers.pop(0)(request)
    world.register(FIRST)
    assert [r.headers.first("Expires") for _, _, r in world.sent] == []
    world.run(1)
    assert [r.headers.first("Expires") for _, _, r in world.sent] == ["3600", "7200"]
    assert world.told[-1].state == "active"


def test_a_busy_registrar_says_when_and_another_where(world: World) -> None:
    answers = [
        saying(503, ("Retry-After", "40 (lunch)")),
        saying(302, ("Contact", "<sip:192.0.2.11>")),
    ]
    world.registrars[FIRST] = lambda request: answers.pop(0)(request)
    world.registrars[SECOND] = granting(60)
    world.register(FIRST)
    world.run(41)
    assert [(round(at - 1_000), hop) for at, hop, _ in world.sent] == [
        (0, FIRST),
        (40, FIRST),
        (40, SECOND),
    ]
    assert [told.state for told in world.told] == ["failed", "active"]


def test_the_next_target_at_once_on_refusal_and_soon_on_silence(world: World) -> None:
    world.registrars[SECOND] = granting(3600)
    world.refusing.add(FIRST)
    world.register(FIRST, SECOND, name="refused")
    world.run(1.0)
    assert world.told[-1].target == SECOND
    assert world.now - 1_000.0 < 2
    world.refusing.clear()
    silence = World()
    silence.registrars[SECOND] = granting(3600)
    silence.register(FIRST, SECOND)
    silence.run(32)
    assert silence.told[-1].target == SECOND


def test_the_primary_is_used_again_when_it_is_well(world: World) -> None:
    world.registrars[SECOND] = granting(3600)
    world.refusing.add(FIRST)
    world.register(FIRST, SECOND)
    world.run(1)
    world.refusing.clear()
    world.registrars[FIRST] = granting(3600)
    world.run(200)
    assert world.told[-1].target == FIRST


def test_a_dead_registrar_is_asked_less_and_less_often_and_comes_back(world: World) -> None:
    world.refusing.add(FIRST)
    world.register(FIRST)
    world.run(600)
    assert 5 <= (world.told[0].next_at or 0) - 1_000 <= 6.3
    assert len(world.told) < 12
    world.refusing.clear()
    world.registrars[FIRST] = granting(60)
    world.run(400)
    assert world.told[-1].state == "active"


def test_goodbye_unregisters(world: World) -> None:
    world.registrars[FIRST] = granting(3600)
    world.register(FIRST)
    world.run(1)
    world.agent.registrations.remove("t", world.now)
    world.pump()
    last = world.sent[-1][2]
    assert last.headers.first("Expires") == "0"
    assert (last.headers.first("Contact") or "").endswith(";expires=0")
    assert world.told[-1].state == "gone"
    world.run(10_000)
    assert world.sent[-1][2] is last


def test_fifty_registrations_begin_at_five_requests_a_second(world: World) -> None:
    world.registrars[FIRST] = digest_registrar(3600)
    for number in range(50):
        world.register(FIRST, name=f"t{number}", credentials=ALICE)
    world.run(30)
    assert len([told for told in world.told if told.state == "active"]) == 50
    busiest = max(sum(start <= at < start + 1 for at in world.times) for start in world.times)
    assert busiest <= 6
    assert len(world.times) / (world.times[-1] or 1) <= 5.2


def test_outbound_flows_and_service_routes(world: World) -> None:
    routes = "<sip:edge1.test;lr>, <sip:edge2.test;lr>"
    world.registrars[FIRST] = granting(3600, ("Service-Route", routes))
    world.register(FIRST, instance="urn:uuid:00000000-0000-4000-8000-000000000001")
    world.run(60)
    contact = world.sent[0][2].headers.first("Contact") or ""
    assert '+sip.instance="<urn:uuid:' in contact
    assert "reg-id=1" in contact
    assert world.sent[0][2].headers.first("Supported") == "path, outbound"
    assert world.told[-1].service_routes == ("<sip:edge1.test;lr>", "<sip:edge2.test;lr>")
    assert [round(b - a) for a, b in zip(world.pings, world.pings[1:], strict=False)] == [25]


def test_a_peer_is_down_after_three_misses_and_up_on_any_answer(world: World) -> None:
    world.registrars[FIRST] = saying(404)
    world.agent.qualifier.add("g", "sip:192.0.2.10", FIRST, world.now)
    world.run(31)
    world.registrars[FIRST] = silent
    world.run(60)
    world.registrars[FIRST] = saying(200)
    world.run(20)
    told = [event for event in world.events if isinstance(event, Qualified)]
    assert (told[0].up, told[0].status) == (True, 404)
    assert told[0].round_trip_ms == pytest.approx(10, abs=1)
    missed = [event for event in told if event.status is None]
    assert [event.up for event in missed[:3]] == [True, True, False]
    assert told[-1].up
    world.agent.qualifier.remove("g")
    count = len(world.sent)
    world.run(100)
    assert len(world.sent) == count


def test_srv_records_go_by_priority_and_weight() -> None:
    likely, unlikely = Srv(10, 90, 5060, "a"), Srv(10, 10, 5060, "b")
    records = [Srv(20, 0, 5060, "c"), likely, unlikely, Srv(5, 0, 1, ".")]
    entropy = SeededEntropy(3)
    orders = [[record.host for record in ordered(records, entropy)] for _ in range(300)]
    assert all(order[2] == "c" and len(order) == 3 for order in orders)
    assert 240 <= sum(order[0] == "a" for order in orders) <= 295


def test_naptr_records_choose_the_transport() -> None:
    records = [
        Naptr(20, 1, "s", "SIP+D2U", "_sip._udp.x"),
        Naptr(10, 9, "S", "SIPS+D2T", "_sips._tcp.x"),
        Naptr(10, 1, "s", "SIP+D2T", "_sip._tcp.x"),
        Naptr(1, 1, "u", "E2U+sip", ""),
    ]
    assert [t for t, _ in services(records, secure=False)] == ["tcp", "tls", "udp"]
    assert services(records, secure=True) == [("tls", "_sips._tcp.x")]


def test_failed_targets_come_last_for_a_while() -> None:
    health = TargetHealth()
    health.mark(FIRST, served=False, now=100.0)
    assert health.best_first([FIRST, SECOND], 101.0) == [SECOND, FIRST]
    assert health.best_first([FIRST, SECOND], 100.0 + HOLD_DOWN_S) == [FIRST, SECOND]
