"""The life of a call between two user agents, with loss, doubles and races."""

import pytest

from aywa.sip.events import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    Invited,
    OfferAnswered,
    Offered,
    Rang,
    Refused,
    SipEvent,
)

from .conftest import ANSWER, OFFER, Wire


def answering(wire: Wire, after: str = "Invited") -> None:
    def on(event: SipEvent) -> None:
        if type(event).__name__ == after:
            wire.bob.agent.calls.ring(event.leg, 180, wire.now)
            wire.bob.agent.calls.answer(event.leg, ANSWER, (), wire.now)

    wire.on_bob = on


def talking(wire: Wire) -> Wire:
    answering(wire)
    wire.call()
    wire.run(0.5)
    assert [type(e) for e in wire.alice.events] == [Rang, Answered]
    assert [type(e) for e in wire.bob.events] == [Invited, Confirmed]
    return wire


def test_a_call_from_invite_to_bye(any_wire: Wire) -> None:
    wire = talking(any_wire)
    invited = wire.bob.of(Invited)[0]
    assert (invited.body, invited.request_uri) == (
        OFFER,
        f"sip:bob@192.0.2.2;transport={wire.transport}",
    )
    assert wire.alice.of(Answered)[0].body == ANSWER
    wire.alice.agent.calls.bye(wire.alice.leg, [("Reason", "Q.850;cause=16")], wire.now)
    wire.run(1)
    [ended] = wire.bob.of(Ended)
    assert (ended.reason, dict(ended.headers)["Reason"]) == ("bye", "Q.850;cause=16")
    assert wire.alice.agent.legs == wire.bob.agent.legs == []
    wire.run(60)
    assert wire.alice.agent.next_timer() is wire.bob.agent.next_timer() is None
    assert wire.count("bob", b"SIP/2.0 200") == 2


def test_the_callee_can_hang_up(any_wire: Wire) -> None:
    wire = talking(any_wire)
    wire.bob.agent.calls.bye(wire.bob.leg, (), wire.now)
    wire.run(1)
    assert [e.reason for e in wire.alice.of(Ended)] == ["bye"]


@pytest.mark.parametrize(
    "lost", [b"INVITE", b"SIP/2.0 100", b"SIP/2.0 180", b"SIP/2.0 200", b"ACK"]
)
@pytest.mark.parametrize("times", [1, 3])
def test_any_message_may_be_lost(wire: Wire, lost: bytes, times: int) -> None:
    wire.drop(lambda data: data.startswith(lost), times)
    answering(wire)
    wire.call()
    wire.run(10)
    assert len(wire.alice.of(Answered)) == 1
    assert len(wire.bob.of(Confirmed)) == 1
    wire.drop(lambda data: data.startswith(b"BYE"), times)
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.run(10)
    assert len(wire.bob.of(Ended)) == 1


def test_doubled_messages_are_one_call(wire: Wire) -> None:
    wire.copies = 3
    answering(wire)
    wire.call()
    wire.run(1)
    assert len(wire.alice.of(Answered)) == len(wire.bob.of(Confirmed)) == 1
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.run(40)
    assert len(wire.bob.of(Ended)) == len(wire.bob.of(Invited)) == 1
    assert wire.bob.agent.counters.refused == {}


def test_nobody_there(wire: Wire) -> None:
    wire.drop(lambda _: True, 1_000)
    wire.call()
    wire.run(40)
    assert [(e.status, e.reason) for e in wire.alice.of(Refused)] == [(408, "No answer")]
    assert wire.count("alice", b"INVITE") == 7  # 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s


def test_our_200_without_an_ack_is_repeated_and_then_given_up(wire: Wire) -> None:
    wire.drop(lambda data: data.startswith(b"ACK"), 1_000)
    answering(wire)
    wire.call()
    wire.run(31)
    assert wire.bob.of(Ended) == []
    assert wire.count("bob", b"SIP/2.0 200") == 10  # T1 doubling to T2: 0 … 31.5 s
    wire.run(5)
    assert [e.reason for e in wire.bob.of(Ended)] == ["no_ack"]
    assert wire.count("bob", b"BYE") == 1
    assert [e.reason for e in wire.alice.of(Ended)] == ["bye"]


def test_a_refusal_reaches_the_caller_and_is_acknowledged(any_wire: Wire) -> None:
    wire = any_wire
    wire.on_bob = lambda e: wire.bob.agent.calls.refuse(
        e.leg, 486, None, [("X-Why", "busy")], wire.now
    )
    wire.call()
    wire.run(40)
    [refused] = wire.alice.of(Refused)
    assert (refused.status, refused.reason, dict(refused.headers)["X-Why"]) == (
        486,
        "Busy Here",
        "busy",
    )
    assert wire.count("alice", b"ACK") == 1
    assert wire.alice.agent.legs == wire.bob.agent.legs == []


def test_cancel_before_any_answer_waits_for_a_provisional_one(wire: Wire) -> None:
    leg = wire.call()
    wire.alice.agent.calls.cancel(leg, (), wire.now)
    wire.pump()
    assert wire.count("alice", b"CANCEL") == 0
    wire.run(1)
    assert wire.count("alice", b"CANCEL") == 1
    assert [e.status for e in wire.alice.of(Refused)] == [487]
    assert len(wire.bob.of(Cancelled)) == 1


def test_cancel_while_ringing(any_wire: Wire) -> None:
    wire = any_wire
    leg = wire.call()
    wire.run(0.1)
    wire.bob.agent.calls.ring(wire.bob.leg, 180, wire.now)
    wire.run(0.1)
    wire.alice.agent.calls.cancel(leg, (), wire.now)
    wire.run(40)
    assert [e.status for e in wire.alice.of(Refused)] == [487]
    assert len(wire.bob.of(Cancelled)) == 1
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    assert wire.bob.agent.messages_to_send() == []
    assert wire.bob.agent.counters.late_verbs == 1


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(wire: Wire) -> None:
    leg = wire.call()
    wire.run(0.1)
    wire.bob.agent.calls.ring(wire.bob.leg, 180, wire.now)
    wire.run(0.1)
    wire.alice.agent.calls.cancel(leg, (), wire.now)
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    wire.run(2)
    assert [e.status for e in wire.alice.of(Refused)] == [487]
    assert wire.alice.of(Answered) == []
    assert (wire.count("alice", b"ACK"), wire.count("alice", b"BYE")) == (1, 1)
    assert [e.reason for e in wire.bob.of(Ended)] == ["bye"]


def test_a_cancel_that_nobody_answers_ends_all_the_same(wire: Wire) -> None:
    leg = wire.call()
    wire.run(0.1)
    wire.drop(lambda _: True, 1_000)
    wire.alice.agent.calls.cancel(leg, (), wire.now)
    wire.run(40)
    assert [e.status for e in wire.alice.of(Refused)] == [487]
    assert wire.alice.agent.legs == []


def test_a_bye_waits_for_the_ack(wire: Wire) -> None:
    wire.drop(lambda data: data.startswith(b"ACK"), 2)
    answering(wire)
    wire.call()
    wire.run(0.1)
    wire.bob.agent.calls.bye(wire.bob.leg, (), wire.now)
    wire.pump()
    assert wire.count("bob", b"BYE") == 0
    wire.run(5)
    assert wire.count("bob", b"BYE") == 1
    assert [e.reason for e in wire.alice.of(Ended)] == ["bye"]


def test_hold_and_resume_by_re_invite(any_wire: Wire) -> None:
    wire = talking(any_wire)
    wire.alice.agent.calls.offer(wire.alice.leg, b"v=0\r\nhold", wire.now)
    wire.run(0.5)
    [offered] = wire.bob.of(Offered)
    assert offered.body == b"v=0\r\nhold"
    wire.bob.agent.calls.accept_offer(offered.leg, b"v=0\r\nheld", wire.now)
    wire.run(1)
    assert [(e.status, e.body) for e in wire.alice.of(OfferAnswered)] == [(200, b"v=0\r\nheld")]
    assert len(wire.bob.of(Confirmed)) == 1
    wire.bob.agent.calls.offer(wire.bob.leg, b"v=0\r\nback", wire.now)
    wire.run(0.5)
    wire.alice.agent.calls.refuse_offer(wire.alice.leg, 488, "no", (), wire.now)
    wire.run(40)
    assert [(e.status, e.body) for e in wire.bob.of(OfferAnswered)] == [(488, None)]
    assert wire.alice.of(Ended) == wire.bob.of(Ended) == []


def test_a_peer_that_forgot_the_call_ends_it(wire: Wire) -> None:
    talking(wire)
    legs = wire.bob.agent._legs
    legs.forget(legs._legs[wire.bob.leg], wire.now)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    wire.run(1)
    assert [e.reason for e in wire.alice.of(Ended)] == ["gone"]


def test_the_fourth_call_of_three_is_refused_503(wire: Wire) -> None:
    for _ in range(4):
        wire.call()
    wire.run(1)
    [refused] = wire.alice.of(Refused)
    assert refused.status == 503
    assert dict(refused.headers)["Retry-After"] == "10"


def test_a_fork_is_acknowledged_and_hung_up(wire: Wire) -> None:
    talking(wire)
    ours = next(data for name, data in wire.sent if name == "bob" and b"200 OK" in data)
    tag = wire.bob.agent._legs._legs[wire.bob.leg].local_tag.encode()
    before = len(wire.sent)
    wire.raw(ours.replace(tag, b"other"), to="alice")
    wire.run(0.5)
    methods = [data.split()[0] for name, data in wire.sent[before:] if name == "alice"]
    assert methods == [b"ACK", b"BYE"]
    assert len(wire.alice.of(Answered)) == 1
    assert wire.alice.agent.legs == [wire.alice.leg]
