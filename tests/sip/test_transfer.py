"""Transfers: REFER with its NOTIFYs (RFC 3515, RFC 4488), Replaces (RFC 3891), both ways."""

import pytest

from aywa.sip import LocalSipError, SipParseError
from aywa.sip.events import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    Invited,
    ReferProgress,
    Referred,
    Refused,
    SipEvent,
)
from aywa.sip.leg import Invitation
from aywa.sip.message import Request, Response, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_calls import talking
from .test_in_dialog import Caller, status_of
from .test_requests import answer, request

CAROL = "sip:carol@192.0.2.3"


@pytest.fixture
def call(wire: Wire) -> Wire:
    return talking(wire)


@pytest.fixture
def eve(wire: Wire) -> Caller:
    return Caller(wire).answered()


def progress(wire: Wire) -> list[tuple[int, bool]]:
    return [(e.status, e.final) for e in wire.alice.of(ReferProgress)]


def test_a_blind_transfer_from_refer_to_the_last_notify(call: Wire) -> None:
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    [referred] = call.bob.of(Referred)
    assert (referred.target, referred.replaces, referred.told) == (CAROL, None, True)
    assert referred.referred_by == "<sip:alice@192.0.2.1>"
    verbs = call.bob.agent.transfers
    verbs.accept(call.bob.leg, referred.referral, call.now)
    call.run(0.1)
    assert progress(call) == [(202, False), (100, False)]
    verbs.tell(call.bob.leg, referred.referral, 180, "Ringing", call.now)
    call.run(0.1)
    verbs.tell(call.bob.leg, referred.referral, 200, "OK", call.now)
    call.run(0.1)
    assert progress(call)[2:] == [(180, False), (200, True)]
    assert [e.reason for e in call.alice.of(ReferProgress)][-2:] == ["Ringing", "OK"]
    verbs.tell(call.bob.leg, referred.referral, 200, "OK", call.now)
    assert call.bob.agent.counters.late_verbs == 1
    states = [
        parse_message(d).headers.first("Subscription-State")
        for n, d in call.sent
        if n == "bob" and d.startswith(b"NOTIFY")
    ]
    assert states == ["active;expires=180"] * 2 + ["terminated;reason=noresource"]
    assert call.alice.of(Ended) == call.bob.of(Ended) == []


def test_a_transfer_that_the_peer_refuses(call: Wire) -> None:
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    call.bob.agent.transfers.refuse(call.bob.leg, call.bob.of(Referred)[0].referral, 603, call.now)
    call.run(1)
    assert progress(call) == [(603, True)]
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    assert len(call.bob.of(Referred)) == 2


def test_a_second_transfer_during_the_first_is_491(call: Wire) -> None:
    for _ in range(2):
        call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    assert progress(call) == [(491, True)]


def test_a_peer_that_accepts_and_falls_silent(call: Wire) -> None:
    call.drop(lambda data: data.startswith(b"NOTIFY"), 1_000)
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    call.bob.agent.transfers.accept(call.bob.leg, call.bob.of(Referred)[0].referral, call.now)
    call.run(40)
    assert progress(call) == [(202, False), (408, True)]


def test_a_peer_that_never_answers_the_refer(call: Wire) -> None:
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(40)
    assert progress(call) == [(408, True)]


def test_a_subscription_that_nobody_ends_is_ended(call: Wire) -> None:
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now)
    call.run(0.1)
    call.bob.agent.transfers.accept(call.bob.leg, call.bob.of(Referred)[0].referral, call.now)
    call.run(179)
    assert progress(call) == [(202, False), (100, False)]
    call.run(2)
    assert progress(call)[2:] in ([(100, True)], [(408, True)])
    assert len(call.alice.of(ReferProgress)) == 3
    legs = [call.alice.agent._legs.get(call.alice.leg), call.bob.agent._legs.get(call.bob.leg)]
    assert [leg.referrals for leg in legs if leg] == [{}, {}]


def test_a_transfer_that_nobody_follows(call: Wire) -> None:
    call.alice.agent.transfers.refer(call.alice.leg, CAROL, call.now, subscribe=False)
    call.run(0.1)
    refer = next(d for _, d in call.sent if d.startswith(b"REFER"))
    assert b"\r\nRefer-Sub: false\r\n" in refer
    [referred] = call.bob.of(Referred)
    assert not referred.told
    call.bob.agent.transfers.accept(call.bob.leg, referred.referral, call.now)
    call.run(200)
    assert progress(call) == [(202, True)]
    assert call.count("bob", b"NOTIFY") == 0


def test_a_target_that_is_none(call: Wire) -> None:
    with pytest.raises(SipParseError):
        call.alice.agent.transfers.refer(call.alice.leg, "carol", call.now)
    assert call.alice.agent.messages_to_send() == []


@pytest.mark.parametrize(
    ("extra", "body", "status"),
    [
        ("Event: refer;id={id}\r\nSubscription-State: active\r\n", "SIP/2.0 183 Go\r\n", 200),
        ("Event: refer\r\nSubscription-State: terminated\r\n", "SIP/2.0 200 OK", 200),
        ("Event: refer\r\nSubscription-State: active;expires=9\r\n", "SIP/2.0 503 No", 200),
        ("Event: refer\r\nSubscription-State: terminated\r\n", "", 200),
        ("Event: refer\r\nSubscription-State: active\r\n", "", 200),
        ("Event: refer\r\n", "SIP/2.0 200 OK", 400),
        ("Event: refer\r\nSubscription-State: active\r\n", "hello", 400),
        ("Event: refer;id=999\r\nSubscription-State: active\r\n", "SIP/2.0 200 OK", 481),
        ("Event: presence\r\nSubscription-State: active\r\n", "SIP/2.0 200 OK", 489),
        ("Subscription-State: active\r\n", "SIP/2.0 200 OK", 489),
    ],
)
def test_notifys_of_a_peer(eve: Caller, extra: str, body: str, status: int) -> None:
    wire = eve.wire
    wire.bob.agent.transfers.refer(eve.agent_leg, CAROL, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    refer = parse_message(out.data)
    assert isinstance(refer, Request)
    wire.raw(bytes(refer.response(202)))
    kind = "Content-Type: message/sipfrag;version=2.0\r\n" if body else ""
    extra = extra.replace("{id}", str(refer.cseq.sequence)) + kind
    assert status_of(eve.say("NOTIFY", extra=extra, body=body)) == [status]
    told = [(e.status, e.final) for e in wire.bob.of(ReferProgress)][1:]
    over = "terminated" in extra
    if status == 200 and (body or over):
        final = over or body[8:] >= "2"
        assert told == [(int(body[8:11]) if body else 202, final)]
    else:
        assert told == []
    if over:
        assert status_of(eve.say("NOTIFY", extra=extra, body=body)) == [481]


def test_a_notify_may_come_before_the_answer_to_its_refer(eve: Caller) -> None:
    wire = eve.wire
    wire.bob.agent.transfers.refer(eve.agent_leg, CAROL, wire.now, [("X-Why", "lunch")])
    [out] = wire.bob.agent.messages_to_send()
    refer = parse_message(out.data)
    assert isinstance(refer, Request)
    assert refer.headers.first("X-Why") == "lunch"
    kind = "Content-Type: message/sipfrag\r\nEvent: refer\r\n"
    extra = kind + "Subscription-State: terminated;reason=noresource\r\n"
    assert status_of(eve.say("NOTIFY", extra=extra, body="SIP/2.0 486 Busy Here")) == [200]
    wire.raw(bytes(refer.response(202)))
    wire.run(60)
    assert [(e.status, e.reason, e.final) for e in wire.bob.of(ReferProgress)] == [
        (486, "Busy Here", True)
    ]


def test_a_refer_before_the_answer_waits(wire: Wire) -> None:
    eve = Caller(wire)
    wire.bob.agent.calls.ring(eve.agent_leg, 180, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    eve.tag = parse_message(out.data).to.tag
    assert status_of(eve.say("REFER", extra=f"Refer-To: <{CAROL}>\r\n")) == [491]
    assert sorted(status_of(eve.say("BYE"))) == [200, 487]
    assert len(wire.bob.of(Cancelled)) == 1
    assert wire.bob.agent.legs == []


def test_a_notify_of_another_body_is_415(eve: Caller) -> None:
    eve.wire.bob.agent.transfers.refer(eve.agent_leg, CAROL, eve.wire.now)
    eve.wire.pump()
    extra = "Event: refer\r\nSubscription-State: active\r\nContent-Type: text/plain\r\n"
    assert status_of(eve.say("NOTIFY", extra=extra, body="x")) == [415]


@pytest.mark.parametrize(
    ("extra", "status"),
    [("", 400), ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n", 400), ("Refer-To: x\r\n", 400)],
)
def test_a_refer_without_one_target_is_400(eve: Caller, extra: str, status: int) -> None:
    assert status_of(eve.say("REFER", extra=extra)) == [status]


def test_referrals_are_bounded_and_end_with_their_leg(eve: Caller) -> None:
    for _ in range(4):
        assert eve.say("REFER", extra=f"Refer-To: <{CAROL}>\r\n") == []
    assert status_of(eve.say("REFER", extra=f"Refer-To: <{CAROL}>\r\n")) == [503]
    eve.wire.bob.agent.transfers.accept(
        eve.agent_leg, eve.wire.bob.of(Referred)[0].referral, eve.wire.now
    )
    eve.wire.pump()
    assert sorted(status_of(eve.say("BYE"))) == [200, 487, 487, 487]
    eve.wire.run(250)
    assert len(eve.wire.bob.agent._layer) == 0
    assert eve.wire.bob.agent.next_timer() is None


# Replaces -------------------------------------------------------------------------------------


def test_an_attended_transfer_names_the_call_to_take_over(eve: Caller) -> None:
    refer = "Refer-To: <sip:carol@192.0.2.3?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&X=y>\r\n"
    eve.say("REFER", extra=refer)
    [referred] = eve.wire.bob.of(Referred)
    assert (referred.target, referred.replaces) == (CAROL, "a@b;to-tag=1;from-tag=2")


def test_our_invite_carries_replaces(wire: Wire) -> None:
    wire.alice.agent.calls.invite(
        Invitation(CAROL, "sip:alice@192.0.2.1", OFFER, replaces="a;to-tag=1;from-tag=2"), wire.now
    )
    [out] = wire.alice.agent.messages_to_send()
    invite = parse_message(out.data)
    assert invite.headers.first("Replaces") == "a;to-tag=1;from-tag=2"
    assert invite.headers.first("Require") == "replaces"


def replacing(wire: Wire, extra: str = "", value: str | None = None, n: int = 7) -> Response:
    value = wire.alice.agent.calls.replaces(wire.alice.leg) if value is None else value
    return answer(wire, request(extra=f"Require: replaces\r\nReplaces: {value}{extra}\r\n", n=n))


def test_a_call_takes_the_place_of_another(call: Wire) -> None:
    call.on_bob = lambda _: None
    old = call.bob.leg
    assert replacing(call).status == 100
    invited = call.bob.of(Invited)[-1]
    assert invited.replaces == old
    call.bob.agent.calls.answer(invited.leg, ANSWER, (), call.now)
    call.run(0.5)
    assert [(e.leg, e.reason) for e in call.bob.of(Ended)] == [(old, "replaced")]
    assert [e.reason for e in call.alice.of(Ended)] == ["bye"]
    assert call.bob.agent.legs == [invited.leg]


def test_a_call_is_replaced_before_its_ack(wire: Wire) -> None:
    eve = Caller(wire)
    wire.bob.agent.calls.answer(eve.agent_leg, ANSWER, (), wire.now)
    [out] = wire.bob.agent.messages_to_send()
    tag = parse_message(out.data).to.tag
    assert replacing(wire, value=f"call-1;to-tag={tag};from-tag=e1").status == 100
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    wire.pump()
    assert [(e.leg, e.reason) for e in wire.bob.of(Ended)] == [(eve.agent_leg, "replaced")]
    wire.raw(request("ACK", to=f";tag={tag}"))
    assert wire.count("bob", b"BYE") == 1
    assert len(wire.bob.of(Ended)) == 1


def test_a_refused_replacement_leaves_the_call(call: Wire) -> None:
    call.on_bob = lambda _: None
    old = call.bob.leg
    replacing(call)
    call.bob.agent.calls.refuse(call.bob.leg, 486, None, (), call.now)
    call.run(1)
    assert call.bob.agent.legs == [old]
    assert call.alice.of(Ended) == []


def test_replacements_that_cannot_be(call: Wire) -> None:
    value = call.alice.agent.calls.replaces(call.alice.leg)
    assert replacing(call, ";early-only").status == 486
    assert replacing(call, value="nobody;to-tag=1;from-tag=2", n=8).status == 481
    assert replacing(call, value="nobody;to-tag=1", n=9).status == 400
    assert replacing(call, value=value + "\r\nReplaces: " + value, n=10).status == 400
    call.alice.agent.calls.bye(call.alice.leg, (), call.now)
    call.run(1)
    assert replacing(call, value=value, n=11).status == 603
    with pytest.raises(LocalSipError):
        call.alice.agent.calls.replaces(call.alice.leg)


def test_a_call_that_waits_for_our_answer_cannot_be_replaced(wire: Wire) -> None:
    wire.call()
    wire.run(0.1)
    wire.bob.agent.calls.ring(wire.bob.leg, 180, wire.now)
    wire.run(0.1)
    tag = parse_message([d for n, d in wire.sent if n == "bob"][-1]).to.tag
    invite = parse_message(wire.sent[0][1])
    value = f"{invite.call_id};to-tag={tag};from-tag={invite.from_.tag}"
    assert replacing(wire, value=value).status == 481


def test_our_own_ringing_call_is_taken_over_and_cancelled(wire: Wire) -> None:
    wire.call()
    wire.run(0.1)
    wire.bob.agent.calls.ring(wire.bob.leg, 180, wire.now)
    wire.run(0.1)
    tag = parse_message([d for n, d in wire.sent if n == "bob"][-1]).to.tag
    invite = parse_message(wire.sent[0][1])
    value = f"{invite.call_id};to-tag={invite.from_.tag};from-tag={tag};early-only"
    data = request(extra=f"Replaces: {value}\r\n", uri="sip:alice@192.0.2.1")
    wire.raw(data, to="alice")
    invited = wire.alice.of(Invited)[-1]
    assert invited.replaces == wire.alice.leg
    wire.alice.agent.calls.answer(invited.leg, ANSWER, (), wire.now)
    wire.run(1)
    assert len(wire.bob.of(Cancelled)) == 1
    assert [e.status for e in wire.alice.of(Refused)] == [487]


def test_an_attended_transfer_between_three(wire: Wire) -> None:
    """Bob talks to Alice twice; the second call takes over the first."""

    def on(event: SipEvent) -> None:
        if isinstance(event, Invited):
            wire.bob.agent.calls.answer(event.leg, ANSWER, (), wire.now)

    wire.on_bob = on
    first = wire.call()
    wire.run(0.2)
    value = wire.alice.agent.calls.replaces(first)
    wire.alice.agent.calls.invite(
        Invitation("sip:bob@192.0.2.2", "sip:alice@192.0.2.1", OFFER, replaces=value), wire.now
    )
    wire.run(0.5)
    assert len(wire.alice.of(Answered)) == 2
    assert [(e.leg, e.reason) for e in wire.alice.of(Ended)] == [(first, "bye")]
    assert len(wire.bob.of(Confirmed)) == 2
