"""Session timers (RFC 4028): who refreshes, when, how, and what happens when nobody does."""

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import SipParseError, UserAgent, UserAgentSettings
from aywa.sip.events import Answered, Ended, Invited, OfferAnswered, Offered, Refused, SipEvent
from aywa.sip.leg import Invitation
from aywa.sip.message import Request, Response, parse_message
from aywa.sip.session_timer import SessionExpires, SessionTimer

from .conftest import ANSWER, OFFER, Wire
from .test_calls import talking
from .test_in_dialog import SDP, Caller, status_of
from .test_requests import answer, request
from .test_routes import accept, invited

TIMER = "Supported: timer\r\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800", SessionExpires(1800)),
        ("90;refresher=uac", SessionExpires(90, "uac")),
        ("90 ; x=y ; Refresher=UAS", SessionExpires(90, "uas")),
    ],
)
def test_session_expires_is_read(text: str, expected: SessionExpires) -> None:
    assert SessionExpires.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "99999999999", "90;;"])
def test_session_expires_that_says_nothing(text: str) -> None:
    with pytest.raises(SipParseError):
        SessionExpires.parse(text)


def last(wire: Wire, side: str, start: bytes) -> Request | Response:
    return parse_message([d for name, d in wire.sent if name == side and d.startswith(start)][-1])


def test_between_two_of_us_the_caller_refreshes_by_update_and_the_call_lives(wire: Wire) -> None:
    talking(wire)
    ok = last(wire, "bob", b"SIP/2.0 200")
    assert ok.headers.first("Session-Expires") == "1800;refresher=uac"
    assert ok.headers.first("Require") == "timer"
    wire.run(899)
    assert wire.count("alice", b"UPDATE") == 0
    wire.run(2)
    update = last(wire, "alice", b"UPDATE")
    assert update.headers.first("Session-Expires") == "1800;refresher=uac"
    assert update.body == b""
    wire.run(5 * 900)
    assert wire.count("alice", b"UPDATE") == 6
    assert wire.count("bob", b"UPDATE") == 0
    assert wire.alice.of(Ended) == wire.bob.of(Ended) == []
    assert wire.alice.of(OfferAnswered) == wire.bob.of(Offered) == []


def test_a_call_that_nobody_refreshes_ends_before_its_time(wire: Wire) -> None:
    talking(wire)
    start = wire.now
    wire.drop(lambda data: data.startswith((b"UPDATE", b"BYE")), 10_000)
    wire.run(1760)
    assert wire.bob.of(Ended) == []
    wire.run(1800 - 32 - (wire.now - start) + 1)
    assert [e.reason for e in wire.bob.of(Ended)] == ["expired"]
    assert [e.reason for e in wire.alice.of(Ended)] == ["timeout"]


@pytest.mark.parametrize(
    ("extra", "granted", "required", "ours"),
    [
        (TIMER, "1800;refresher=uac", True, False),
        (TIMER + "Session-Expires: 600\r\n", "600;refresher=uac", True, False),
        (TIMER + "Session-Expires: 600;refresher=uac\r\n", "600;refresher=uac", True, False),
        (TIMER + "Session-Expires: 600;refresher=uas\r\n", "600;refresher=uas", True, True),
        (TIMER + "x: 4000\r\nMin-SE: 4000\r\n", "4000;refresher=uac", True, False),
        ("Session-Expires: 600\r\n", "600;refresher=uas", False, True),
        ("", None, False, False),
    ],
)
def test_who_refreshes_when_we_are_called(
    wire: Wire, extra: str, granted: str | None, required: bool, ours: bool
) -> None:
    data = request(extra=extra.replace("x: ", "Session-Expires: ") + SDP, body="v=0")
    wire.raw(data)
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    [ok] = [parse_message(m.data) for m in wire.bob.agent.messages_to_send()]
    assert ok.headers.first("Session-Expires") == granted
    assert ("timer" in ok.headers.all("Require")) is required
    ack = request("ACK", to=f";tag={ok.to.tag}").replace(b"z9hG4bK-1", b"z9hG4bK-ack")
    wire.raw(ack)
    leg = wire.bob.agent._legs.get(wire.bob.leg)
    assert leg is not None
    assert (leg.talk.timer is not None) is (granted is not None)
    assert bool(leg.talk.timer and leg.talk.timer.ours) is ours
    wire.run(300.1)  # a peer without Allow gets a re-INVITE with the same description
    assert wire.count("bob", b"INVITE") == ours
    if ours:
        again = last(wire, "bob", b"INVITE")
        assert again.body == ANSWER
        assert again.headers.first("Session-Expires") == "600;refresher=uac"


def test_a_short_interval_is_refused_422_to_those_who_know_timers(wire: Wire) -> None:
    short = "Session-Expires: 30\r\n"
    refused = answer(wire, request(extra=TIMER + short))
    assert (refused.status, refused.headers.first("Min-SE")) == (422, "90")
    assert answer(wire, request(extra=short, n=2)).status == 100
    assert answer(wire, request(extra="Session-Expires: soon\r\n", n=3)).status == 400


def test_a_refresh_of_the_peer_keeps_the_call(wire: Wire) -> None:
    eve = Caller(wire, TIMER + "Session-Expires: 600\r\n").answered()
    for _ in range(3):
        wire.run(500)
        out = eve.say("UPDATE", extra=TIMER + "Session-Expires: 600;refresher=uac\r\n")
        [ok] = map(parse_message, out)
        assert ok.headers.first("Session-Expires") == "600;refresher=uac"
        assert wire.bob.agent.legs == [eve.agent_leg]
    wire.run(567)
    assert wire.bob.of(Ended) == []
    wire.run(2)
    assert [e.reason for e in wire.bob.of(Ended)] == ["expired"]
    assert wire.count("bob", b"BYE") >= 1
    assert status_of(eve.say("UPDATE")) == [481]


def test_a_peer_that_wants_longer_intervals_is_asked_again(wire: Wire) -> None:
    first = invited(wire)
    assert first.headers.first("Session-Expires") == "1800"
    assert first.headers.first("Min-SE") == "90"
    refused = first.response(422, to_tag="x")
    refused.headers.add("Min-SE", "3600")
    out = map(parse_message, wire.raw(bytes(refused), to="alice"))
    second = next(m for m in out if isinstance(m, Request) and m.method == "INVITE")
    assert second.headers.first("Session-Expires") == second.headers.first("Min-SE") == "3600"
    assert (second.call_id, second.cseq.sequence) == (first.call_id, 2)
    assert second.from_.tag == first.from_.tag
    again = second.response(422, to_tag="x")
    again.headers.add("Min-SE", "3600")
    wire.raw(bytes(again), to="alice")
    assert [e.status for e in wire.alice.of(Refused)] == [422]


@pytest.mark.parametrize("ours", [True, False])
def test_who_refreshes_when_we_call(wire: Wire, ours: bool) -> None:
    ok = accept(invited(wire), [])
    ok.headers.add("Session-Expires", f"200;refresher={'uac' if ours else 'uas'}")
    wire.raw(bytes(ok), to="alice")
    assert len(wire.alice.of(Answered)) == 1
    wire.run(101)
    assert wire.count("alice", b"INVITE") == (2 if ours else 0)  # T1 passed once
    wire.run(80)
    assert [e.reason for e in wire.alice.of(Ended)] == (["timeout"] if ours else ["expired"])


def test_an_update_that_is_refused_405_becomes_a_re_invite(wire: Wire) -> None:
    ok = accept(invited(wire), [])
    ok.headers.add("Session-Expires", "200;refresher=uac")
    ok.headers.add("Allow", "INVITE, ACK, BYE, UPDATE")
    wire.raw(bytes(ok), to="alice")
    wire.run(100)
    update = last(wire, "alice", b"UPDATE")
    assert isinstance(update, Request)
    out = map(parse_message, wire.raw(bytes(update.response(405)), to="alice"))
    again = next(m for m in out if isinstance(m, Request) and m.method == "INVITE")
    assert again.body == OFFER
    good = again.response(200)
    good.headers.add("Content-Type", "application/sdp")
    good.body = b"v=0 moved"
    good.headers.add("Contact", "<sip:eve@192.0.2.77:5070>")
    good.headers.add("Session-Expires", "200;refresher=uac")
    out = map(parse_message, wire.raw(bytes(good), to="alice"))
    assert [m.method for m in out if isinstance(m, Request)] == ["ACK"]
    assert [e.body for e in wire.alice.of(OfferAnswered)] == [b"v=0 moved"]
    assert wire.alice.agent.legs == [wire.alice.leg]


def test_a_refresh_of_too_short_an_interval_asks_for_a_longer_one(wire: Wire) -> None:
    ok = accept(invited(wire), [])
    ok.headers.add("Session-Expires", "200;refresher=uac")
    ok.headers.add("Allow", "UPDATE")
    wire.raw(bytes(ok), to="alice")
    wire.run(100.1)
    update = last(wire, "alice", b"UPDATE")
    assert isinstance(update, Request)
    refused = update.response(422)
    refused.headers.add("Min-SE", "400")
    [again] = map(parse_message, wire.raw(bytes(refused), to="alice"))
    assert isinstance(again, Request)
    assert again.headers.first("Session-Expires") == "400;refresher=uac"
    wire.raw(bytes(again.response(200)), to="alice")  # no word of a timer: it stays with us
    leg = wire.alice.agent._legs.get(wire.alice.leg)
    assert leg is not None
    assert leg.talk.timer == SessionTimer(200, ours=True)


def test_a_refresh_waits_for_an_offer_that_is_under_way(wire: Wire) -> None:
    talking(wire)
    wire.run(895)
    wire.bob.agent.calls.offer(wire.bob.leg, b"v=0 hold", wire.now)
    wire.run(8)
    assert wire.count("alice", b"UPDATE") == 0
    wire.alice.agent.calls.accept_offer(wire.alice.leg, ANSWER, wire.now)
    wire.run(1000)
    assert wire.count("alice", b"UPDATE") + wire.count("bob", b"UPDATE") >= 1
    assert wire.alice.of(Ended) == []


def test_a_refresh_that_fails_is_tried_until_the_session_expires(wire: Wire) -> None:
    ok = accept(invited(wire), [])
    ok.headers.add("Session-Expires", "120;refresher=uac")
    ok.headers.add("Allow", "UPDATE")
    wire.raw(bytes(ok), to="alice")
    for _ in range(3):
        wire.run(61 if not wire.count("alice", b"UPDATE") else 10)
        update = last(wire, "alice", b"UPDATE")
        assert isinstance(update, Request)
        wire.raw(bytes(update.response(503)), to="alice")
    assert wire.count("alice", b"UPDATE") >= 3
    wire.run(60)
    assert [e.reason for e in wire.alice.of(Ended)] == ["expired"]


def test_the_interval_of_an_invitation(wire: Wire) -> None:
    def answering(event: SipEvent) -> None:
        if isinstance(event, Invited):
            wire.bob.agent.calls.answer(event.leg, ANSWER, (), wire.now)

    wire.on_bob = answering
    wire.alice.agent = UserAgent(UserAgentSettings("192.0.2.1"), SeededEntropy(9))
    invitation = Invitation(
        "sip:bob@192.0.2.2", "sip:alice@192.0.2.1", OFFER, session_expires_s=300
    )
    wire.alice.agent.calls.invite(invitation, wire.now)
    wire.run(1)
    assert last(wire, "alice", b"INVITE").headers.first("Session-Expires") == "300"
    wire.run(150)
    assert wire.count("alice", b"UPDATE") == 1


@pytest.mark.parametrize("text", ["", "x", "942949672960"])
def test_a_min_se_that_says_nothing_is_refused_before_anybody_answers(
    wire: Wire, text: str
) -> None:
    lines = f"{TIMER}Session-Expires: 1800\r\nMin-SE: {text}\r\n"
    [refused] = wire.raw(request(extra=lines))
    assert refused.startswith(b"SIP/2.0 400")
    assert wire.bob.of(Invited) == []
