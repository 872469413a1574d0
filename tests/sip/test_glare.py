"""Offers that meet (RFC 3261 §14, RFC 3311 §5): who gives way, for how long, and that it heals."""

import pytest

from aywa.sip.events import Ended, OfferAnswered, Offered, SipEvent
from aywa.sip.message import Request, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_calls import talking
from .test_in_dialog import SDP, Caller, status_of


@pytest.fixture
def eve(wire: Wire) -> Caller:
    return Caller(wire).answered()


def sent_at(wire: Wire, method: bytes, until: float, step: float = 0.01) -> list[float]:
    """When Alice sent this method, seconds from now."""
    start, times = wire.now, []
    seen = wire.count("alice", method)
    while wire.now < start + until:
        wire.run(step)
        if wire.count("alice", method) > seen:
            seen = wire.count("alice", method)
            times.append(wire.now - start)
    return times


def test_offers_that_cross_are_both_made_again_and_answered(wire: Wire) -> None:
    talking(wire)

    def on(event: SipEvent) -> None:
        if isinstance(event, Offered):
            wire.bob.agent.calls.accept_offer(event.leg, ANSWER, wire.now)

    wire.on_bob = on
    wire.alice.agent.calls.offer(wire.alice.leg, b"v=0 alice", wire.now)
    wire.bob.agent.calls.offer(wire.bob.leg, b"v=0 bob", wire.now)
    wire.run(0.5)
    assert wire.alice.of(OfferAnswered) == wire.bob.of(OfferAnswered) == []
    assert wire.count("alice", b"SIP/2.0 491") + wire.count("bob", b"SIP/2.0 491") >= 2
    for _ in range(100):
        wire.run(0.1)
        for offered in wire.alice.of(Offered):
            wire.alice.agent.calls.accept_offer(offered.leg, ANSWER, wire.now)
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [200]
    assert [e.status for e in wire.bob.of(OfferAnswered)] == [200]
    assert wire.alice.of(Ended) == wire.bob.of(Ended) == []


def glare(wire: Wire, agent_side: str) -> Request:
    """The offer of one side, refused 491 by hand."""
    side = wire.alice if agent_side == "alice" else wire.bob
    side.agent.calls.offer(side.leg, OFFER, wire.now)
    [out] = side.agent.messages_to_send()
    ours = parse_message(out.data)
    assert isinstance(ours, Request)
    wire.raw(bytes(ours.response(491)), to=agent_side)
    return ours


@pytest.mark.parametrize("seed", range(8))
def test_the_owner_of_the_call_id_waits_2_1_to_4_s(wire: Wire, seed: int) -> None:
    talking(wire)
    for _ in range(seed):
        wire.alice.agent._legs.entropy.integer(32)
    first = glare(wire, "alice")
    wire.pump()
    start = wire.alice.agent._legs.get(wire.alice.leg)
    assert start is not None
    due = wire.alice.agent._layer._timers._due[start.alarms["offer"], "offer"][0] - wire.now
    assert 2.1 <= due <= 4.0
    assert abs(due * 100 - round(due * 100)) < 1e-6
    [at] = sent_at(wire, b"INVITE", 4.2, 0.05)
    assert abs(at - due) < 0.06
    again = parse_message([d for n, d in wire.sent if n == "alice" and d[:6] == b"INVITE"][-1])
    assert (again.body, again.cseq.sequence) == (first.body, first.cseq.sequence + 1)


@pytest.mark.parametrize("seed", range(8))
def test_the_other_side_waits_up_to_2_s(wire: Wire, seed: int) -> None:
    talking(wire)
    for _ in range(seed):
        wire.bob.agent._legs.entropy.integer(32)
    glare(wire, "bob")
    leg = wire.bob.agent._legs.get(wire.bob.leg)
    assert leg is not None
    due = wire.bob.agent._layer._timers._due[leg.alarms["offer"], "offer"][0] - wire.now
    assert 0 <= due <= 2.0


def test_a_peer_that_always_glares_is_told_as_491(wire: Wire) -> None:
    talking(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    for _ in range(200):
        for out in wire.alice.agent.messages_to_send():
            ours = parse_message(out.data)
            if isinstance(ours, Request) and ours.method == "INVITE":
                wire.raw(bytes(ours.response(491)), to="alice")
        wire.run(0)
        wire.now += 0.25
        wire.alice.agent.handle_timer(wire.now)
    wire.pump()
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [491]


def test_a_new_offer_takes_the_place_of_one_that_waits(wire: Wire) -> None:
    talking(wire)
    glare(wire, "alice")
    wire.alice.agent.calls.offer(wire.alice.leg, b"v=0 newer", wire.now)
    wire.run(0.1)
    [offered] = wire.bob.of(Offered)
    assert offered.body == b"v=0 newer"
    wire.bob.agent.calls.accept_offer(offered.leg, ANSWER, wire.now)
    wire.run(10)
    assert len(wire.bob.of(Offered)) == 1


def test_a_leg_that_ends_while_it_waits_leaves_nothing(wire: Wire) -> None:
    talking(wire)
    glare(wire, "alice")
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.run(60)
    assert wire.alice.agent.next_timer() is None


def test_updates_in_a_call(eve: Caller) -> None:
    wire = eve.wire
    assert status_of(eve.say("UPDATE")) == [200]
    assert eve.say("UPDATE", extra=SDP, body="v=0 hold") == []
    assert status_of(eve.say("UPDATE", extra=SDP, body="v=0 hold")) == [500]
    assert status_of(eve.say("INVITE", extra=SDP, body="v=0 hold")) == [500]
    assert status_of(eve.say("UPDATE")) == [200]
    wire.bob.agent.calls.accept_offer(eve.agent_leg, b"v=0 held", wire.now)
    [ok] = [parse_message(m.data) for m in wire.bob.agent.messages_to_send()]
    assert (ok.cseq.method, ok.body) == ("UPDATE", b"v=0 held")
    assert ok.headers.first("Contact") == "<sip:192.0.2.2:5060>"
    assert eve.say("UPDATE", extra=SDP, body="v=0 more") == []
    wire.bob.agent.calls.refuse_offer(eve.agent_leg, 488, None, (), wire.now)
    assert status_of([m.data for m in wire.bob.agent.messages_to_send()]) == [488]


def test_an_update_moves_the_peer(eve: Caller) -> None:
    moved = eve.text("UPDATE").replace(b"Contact: <sip:eve@192.0.2.9>", b"m: <sip:e@192.0.2.78>")
    assert status_of(eve.wire.raw(moved)) == [200]
    eve.wire.bob.agent.calls.bye(eve.agent_leg, (), eve.wire.now)
    [bye] = eve.wire.bob.agent.messages_to_send()
    assert bye.data.startswith(b"BYE sip:e@192.0.2.78 ")


def test_an_update_during_our_offer_is_491(eve: Caller) -> None:
    eve.wire.bob.agent.calls.offer(eve.agent_leg, OFFER, eve.wire.now)
    eve.wire.pump()
    assert status_of(eve.say("UPDATE", extra=SDP, body="v=0")) == [491]
    assert status_of(eve.say("UPDATE")) == [200]


def test_we_offer_by_update_to_those_who_take_it(wire: Wire) -> None:
    talking(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now, "UPDATE")
    wire.run(0.1)
    wire.bob.agent.calls.accept_offer(wire.bob.leg, ANSWER, wire.now)
    wire.run(0.1)
    assert [(e.status, e.body) for e in wire.alice.of(OfferAnswered)] == [(200, ANSWER)]
    assert wire.count("alice", b"INVITE") == 1


def test_a_peer_that_asks_us_to_wait_is_asked_again(wire: Wire) -> None:
    talking(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    [out] = wire.alice.agent.messages_to_send()
    ours = parse_message(out.data)
    assert isinstance(ours, Request)
    later = ours.response(500)
    later.headers.add("Retry-After", "3")
    wire.raw(bytes(later), to="alice")
    assert sent_at(wire, b"INVITE", 2.9) == []
    wire.run(0.3)
    [offered] = wire.bob.of(Offered)
    wire.bob.agent.calls.accept_offer(offered.leg, ANSWER, wire.now)
    wire.run(0.1)
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [200]


def test_an_offer_that_waited_through_theirs_comes_after_it(wire: Wire) -> None:
    talking(wire)
    glare(wire, "alice")
    wire.bob.agent.calls.offer(wire.bob.leg, b"v=0 bob", wire.now)
    wire.run(6)  # Alice's owner takes its time: her own offer waits
    assert wire.count("alice", b"INVITE") == 1
    wire.alice.agent.calls.accept_offer(wire.alice.leg, ANSWER, wire.now)
    wire.run(1)
    assert [e.body for e in wire.bob.of(Offered)] == [OFFER]


def test_a_repeated_200_to_our_offer_gets_the_same_ack(wire: Wire) -> None:
    talking(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    wire.run(0.1)
    wire.drop(lambda data: data.startswith(b"ACK"), 2)
    wire.bob.agent.calls.accept_offer(wire.bob.leg, ANSWER, wire.now)
    wire.run(5)
    acks = [d for n, d in wire.sent if n == "alice" and d.startswith(b"ACK")][1:]
    assert len(acks) == 3
    assert len(set(acks)) == 1
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [200]
    assert wire.count("bob", b"SIP/2.0 200") == 4


def test_a_bye_answers_what_was_open(eve: Caller) -> None:
    invite = eve.text("INVITE", extra=SDP, body="v=0")
    eve.wire.raw(invite)
    assert sorted(status_of(eve.say("BYE"))) == [200, 487]
    eve.wire.run(60)
    assert len(eve.wire.bob.agent._layer) == 0
