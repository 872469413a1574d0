"""Who may speak: silence for strangers, digest for those who must prove themselves."""

from collections.abc import Callable

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import UserAgent, UserAgentSettings
from aywa.sip.digest import Authenticator, Credentials
from aywa.sip.doorkeeper import Account, Admitted, Challenged, Ignored, Turned, Verdict
from aywa.sip.events import (
    Answered,
    Ended,
    InformAnswered,
    Informed,
    Invited,
    OfferAnswered,
    Offered,
    Refused,
    SipEvent,
)
from aywa.sip.leg import Invitation
from aywa.sip.message import Request, Response, parse_message
from aywa.sip.transport import Hop

from .conftest import ANSWER, OFFER, Wire
from .test_in_dialog import SDP, Caller, status_of
from .test_requests import answer, request

NEAREST = "192.0.2.9 is not among the addresses of trunk north (192.0.2.8)"


class Door:
    """Judges everybody alike."""

    def __init__(self, verdict: Verdict, *, known: bool = False) -> None:
        self.verdict = verdict
        self.known = known
        self.judged: list[tuple[str, Hop]] = []
        self.disbelief: list[tuple[str | None, str]] = []

    def judge(self, request: Request, source: Hop) -> Verdict:
        self.judged.append((request.method, source))
        return self.verdict

    def disbelieved(self, request: Request, source: Hop, party: str | None, why: str) -> None:
        self.disbelief.append((party, why))

    def knows(self, source: Hop) -> bool:
        return self.known


def behind(wire: Wire, verdict: Verdict, *, known: bool = False) -> Door:
    door = Door(verdict, known=known)
    wire.bob.agent = UserAgent(UserAgentSettings("192.0.2.2"), SeededEntropy(5), door)
    return door


@pytest.mark.parametrize(
    "data",
    [
        request(),
        request("OPTIONS"),
        request("REGISTER"),
        request("SING"),
        request("BYE"),
        request("CANCEL"),
        request("BYE", to=";tag=x"),
        request("INVITE", to=";tag=x"),
        request(hops="0"),
        request(version="7.0"),
        request(extra="CSeq: 2 INVITE\r\n"),
        request(extra="Require: foo\r\n"),
        request().replace(b"Content-Length: 0", b"Content-Length: 900"),
        request().replace(b"From:", b"From"),
        b"\x00\xff" * 40,
    ],
)
def test_a_stranger_gets_not_a_byte(wire: Wire, data: bytes) -> None:
    behind(wire, Ignored(NEAREST))
    assert wire.raw(data) == []
    wire.run(60)
    assert wire.count("bob", b"") == 0
    counters = wire.bob.agent.counters
    assert len(counters.refusals) == 1
    assert counters.refusals[-1].status == 0
    assert counters.dropped == 1


def test_the_nearest_match_is_noted(wire: Wire) -> None:
    door = behind(wire, Ignored(NEAREST))
    wire.raw(request())
    counters = wire.bob.agent.counters
    assert counters.strangers == 1
    assert (counters.refusals[-1].source, counters.refusals[-1].why) == ("192.0.2.9", NEAREST)
    assert door.judged == [("INVITE", Hop("udp", "192.0.2.9", 5060))]


def test_a_known_peer_is_told_what_is_wrong(wire: Wire) -> None:
    behind(wire, Admitted(), known=True)
    assert answer(wire, request("BYE", to=";tag=x")).status == 481
    assert answer(wire, request("CANCEL")).status == 481
    assert answer(wire, request(version="7.0")).status == 505


def test_whom_the_doorkeeper_admits_comes_with_a_name(wire: Wire) -> None:
    door = behind(wire, Admitted("north"))
    wire.raw(request())
    wire.raw(request())
    assert [e.party for e in wire.bob.of(Invited)] == ["north"]
    assert len(door.judged) == 1


def test_a_known_peer_is_turned_away_with_a_reason(wire: Wire) -> None:
    behind(wire, Turned(503, "trunk north has 30 calls already", "north", 7))
    refused = answer(wire, request())
    assert (refused.status, refused.headers.first("Retry-After")) == (503, "7")
    assert len(refused.headers.all("Retry-After")) == 1
    assert wire.bob.agent.counters.refusals[-1].why == "trunk north has 30 calls already"
    assert wire.bob.of(Invited) == []


def test_inside_a_call_the_doorkeeper_is_not_asked(wire: Wire) -> None:
    door = behind(wire, Admitted())
    eve = Caller(wire).answered()
    assert status_of(eve.say("OPTIONS")) == [200]
    assert len(door.judged) == 1


# Digest ---------------------------------------------------------------------------------------


def accounts(username: str) -> Account | None:
    return Account("eve", "s3cret") if username == "eve" else None


def credentials(request_: bytes, password: str = "s3cret") -> Callable[[Response], bytes]:
    """How Eve answers a challenge."""

    def again(refused: Response) -> bytes:
        authenticator = Authenticator(Credentials("eve", password), SeededEntropy(8))
        authenticator.learn(refused)
        message = parse_message(request_.replace(b"z9hG4bK-1", b"z9hG4bK-auth"))
        assert isinstance(message, Request)
        authenticator.authorize(message)
        return bytes(message)

    return again


def test_a_challenged_caller_proves_itself(wire: Wire) -> None:
    behind(wire, Challenged("pbx.example", accounts, "south"))
    refused = answer(wire, request())
    assert refused.status == 401
    offered = refused.headers.all("WWW-Authenticate")
    assert ["SHA-256" in one for one in offered] == [True, False]
    assert len(wire.bob.agent._layer) == 0
    assert answer(wire, credentials(request())(refused)).status == 100
    assert [e.party for e in wire.bob.of(Invited)] == ["south"]


def test_a_wrong_password_is_challenged_again_and_noted(wire: Wire) -> None:
    door = behind(wire, Challenged("pbx.example", accounts, "south"))
    refused = answer(wire, request())
    assert answer(wire, credentials(request(), "guess")(refused)).status == 401
    assert wire.bob.of(Invited) == []
    assert "wrong" in wire.bob.agent.counters.refusals[-1].why
    assert door.disbelief == [("south", "the digest for pbx.example is wrong")]


def test_an_answer_is_good_once(wire: Wire) -> None:
    behind(wire, Challenged("pbx.example", accounts, "south"))
    data = credentials(request())(answer(wire, request()))
    assert answer(wire, data).status == 100
    replayed = answer(wire, data.replace(b"z9hG4bK-auth", b"z9hG4bK-more"))
    assert replayed.status == 401
    assert "stale=true" in (replayed.headers.first("WWW-Authenticate") or "")


def authenticated_call(wire: Wire) -> str:
    """Alice, who knows her password, calls Bob, who challenges everything."""
    behind(wire, Challenged("pbx.example", accounts, "south"), known=True)

    def on(event: SipEvent) -> None:
        if isinstance(event, Invited):
            wire.bob.agent.calls.answer(event.leg, ANSWER, (), wire.now)

    wire.on_bob = on
    authenticator = Authenticator(Credentials("eve", "s3cret"), SeededEntropy(4))
    invitation = Invitation(
        "sip:bob@192.0.2.2", "sip:alice@192.0.2.1", OFFER, authenticator=authenticator
    )
    leg = wire.alice.agent.calls.invite(invitation, wire.now)
    wire.alice.legs.append(leg)
    wire.run(0.5)
    return leg


def test_our_invite_answers_a_challenge(wire: Wire) -> None:
    leg = authenticated_call(wire)
    assert [e.leg for e in wire.alice.of(Answered)] == [leg]
    invites = [parse_message(d) for _, d in wire.sent if d.startswith(b"INVITE")]
    assert [m.cseq.sequence for m in invites] == [1, 2]
    assert len({m.call_id for m in invites}) == 1
    ack = [parse_message(d) for _, d in wire.sent if d.startswith(b"ACK")][-1]
    assert ack.cseq.sequence == 2
    assert ack.headers.first("Authorization")


@pytest.mark.parametrize("status", [401, 407])
def test_our_requests_in_a_call_answer_challenges(wire: Wire, status: int) -> None:
    leg = authenticated_call(wire)
    wire.on_bob = lambda _: None
    calls = wire.alice.agent.calls

    def challenge(method: str) -> None:
        sent = [m.data for m in wire.alice.agent.messages_to_send()]
        [data] = [one for one in sent if one.startswith(method.encode())]
        message = parse_message(data)
        assert isinstance(message, Request)
        refused = message.response(status)
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        refused.headers.add(name, 'Digest realm="proxy", nonce="n1", qop="auth"')
        wire.alice.agent.receive(bytes(refused), wire.bob.hop, wire.now)

    calls.offer(leg, OFFER, wire.now)
    challenge("INVITE")
    wire.run(0.1)
    wire.bob.agent.calls.accept_offer(wire.bob.of(Offered)[0].leg, ANSWER, wire.now)
    wire.run(0.1)
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [200]
    calls.inform(leg, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", wire.now)
    wire.run(0.1)
    assert [e.status for e in wire.alice.of(InformAnswered)] == [200]
    calls.bye(leg, (), wire.now)
    wire.run(0.5)
    assert [e.reason for e in wire.bob.of(Ended)] == ["bye"]


def test_a_call_that_came_in_answers_challenges_when_told_with_what(wire: Wire) -> None:
    eve = Caller(wire).answered()
    authenticator = Authenticator(Credentials("eve", "s3cret"), SeededEntropy(4))
    wire.bob.agent.calls.authenticate(eve.agent_leg, authenticator)
    wire.bob.agent.calls.bye(eve.agent_leg, (), wire.now)
    [out] = wire.bob.agent.messages_to_send()
    bye = parse_message(out.data)
    assert isinstance(bye, Request)
    refused = bye.response(407)
    refused.headers.add("Proxy-Authenticate", 'Digest realm="proxy", nonce="n1", qop="auth"')
    [again] = map(parse_message, wire.raw(bytes(refused)))
    assert again.headers.first("Proxy-Authorization")
    assert again.cseq.sequence == bye.cseq.sequence + 1


def test_without_credentials_a_challenge_is_a_refusal(wire: Wire) -> None:
    behind(wire, Challenged("pbx.example", accounts, "south"))
    wire.call()
    wire.run(1)
    assert [e.status for e in wire.alice.of(Refused)] == [401]
    assert wire.count("alice", b"INVITE") == 1


# What is said within a call -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["INFO", "MESSAGE"])
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200),
        ("application/DTMF; x=y", "5", 200),
        ("text/plain;charset=utf-8", "hello", 200),
        ("", "", 200),
        ("application/json", "{}", 415),
        ("application/sdp", "v=0", 415),
    ],
)
def test_info_and_message(wire: Wire, method: str, kind: str, body: str, status: int) -> None:
    eve = Caller(wire).answered()
    extra = f"Content-Type: {kind}\r\n" if kind else ""
    [out] = map(parse_message, eve.say(method, extra=extra, body=body))
    assert isinstance(out, Response)
    assert out.status == status
    told = [(e.method, e.content_type, e.body) for e in wire.bob.of(Informed)]
    name = kind.partition(";")[0].lower()
    assert told == ([(method, name, body.encode())] if status == 200 else [])
    if status == 415:
        assert out.headers.first("Accept") == (
            "application/dtmf-relay, application/dtmf, text/plain"
        )


def test_an_info_that_nobody_answers(wire: Wire) -> None:
    eve = Caller(wire).answered()
    wire.bob.agent.calls.inform(eve.agent_leg, "text/plain", b"x", wire.now)
    wire.run(40)
    assert [e.status for e in wire.bob.of(InformAnswered)] == [408]
    assert status_of(eve.say("INFO", extra=SDP, body="v=0")) == [415]
