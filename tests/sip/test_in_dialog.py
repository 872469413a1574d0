"""Requests within a call, as a peer sends them by hand: order, offers, goodbyes."""

import pytest

from aywa.sip.abilities import ALLOW
from aywa.sip.events import Answered, Cancelled, Confirmed, Ended, Invited, OfferAnswered, Offered
from aywa.sip.message import Request, Response, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_calls import talking
from .test_requests import request

SDP = "Content-Type: application/sdp\r\n"


class Caller:
    """Eve, who writes her messages by hand and is in a call with Bob."""

    def __init__(self, wire: Wire, extra: str = "") -> None:
        self.wire = wire
        self.sequence = 1
        wire.raw(request(extra=extra + SDP, body="v=0"))
        self.invited = wire.bob.of(Invited)[-1]

    @property
    def agent_leg(self) -> str:
        return self.invited.leg

    def answered(self) -> "Caller":
        agent = self.wire.bob.agent
        agent.calls.answer(self.agent_leg, ANSWER, (), self.wire.now)
        [ok] = [m.data for m in agent.messages_to_send()]
        self.tag = parse_message(ok).to.tag
        self.say("ACK", sequence=1)
        assert len(self.wire.bob.of(Confirmed)) == 1
        return self

    def say(
        self, method: str, *, sequence: int | None = None, extra: str = "", body: str = ""
    ) -> list[bytes]:
        return self.wire.raw(self.text(method, sequence=sequence, extra=extra, body=body))

    def text(
        self, method: str, *, sequence: int | None = None, extra: str = "", body: str = ""
    ) -> bytes:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        data = request(method, to=f";tag={self.tag}", extra=extra, body=body)
        data = data.replace(b"CSeq: 1", b"CSeq: %d" % sequence)
        return data.replace(b"z9hG4bK-1", b"z9hG4bK-%d-%s" % (sequence, method.encode()))


@pytest.fixture
def eve(wire: Wire) -> Caller:
    return Caller(wire).answered()


def status_of(out: list[bytes]) -> list[int]:
    return [m.status for m in map(parse_message, out) if isinstance(m, Response)]


def test_a_request_out_of_order_is_refused_500(eve: Caller) -> None:
    assert status_of(eve.say("OPTIONS", sequence=5)) == [200]
    assert status_of(eve.say("OPTIONS", sequence=4)) == [500]
    assert eve.wire.bob.agent.legs == [eve.agent_leg]


@pytest.mark.parametrize(
    ("method", "status"), [("REGISTER", 405), ("PUBLISH", 405), ("SUBSCRIBE", 489), ("FOO", 501)]
)
def test_other_methods_in_a_call_are_refused_and_harm_nothing(
    eve: Caller, method: str, status: int
) -> None:
    [refused] = map(parse_message, eve.say(method))
    assert isinstance(refused, Response)
    assert refused.status == status
    if status in {405, 501}:
        assert refused.headers.first("Allow") == ALLOW
    assert status_of(eve.say("BYE")) == [200]
    assert [e.reason for e in eve.wire.bob.of(Ended)] == ["bye"]


def test_a_bye_is_not_refused_for_its_date(eve: Caller) -> None:
    assert status_of(eve.say("BYE", extra="Date: Fri, 01 Jan 2010 16:00:00 EST\r\n")) == [200]


def test_a_repeated_bye_gets_the_same_200(eve: Caller) -> None:
    bye = eve.text("BYE")
    assert eve.wire.raw(bye) == eve.wire.raw(bye)
    assert len(eve.wire.bob.of(Ended)) == 1
    assert status_of(eve.say("BYE")) == [481]


def test_a_repeated_re_invite_gets_the_same_refusal(eve: Caller) -> None:
    wrong = eve.text("INVITE", extra="Content-Type: text/plain\r\n", body="hello")
    first = eve.wire.raw(wrong)
    assert status_of(first) == [415]
    assert eve.wire.raw(wrong) == first
    assert eve.wire.bob.of(Offered) == []


def test_a_second_re_invite_waits_with_500_and_retry_after(eve: Caller) -> None:
    assert status_of(eve.say("INVITE", extra=SDP, body="v=0")) == [100]
    [refused] = map(parse_message, eve.say("INVITE", extra=SDP, body="v=0"))
    assert isinstance(refused, Response)
    assert refused.status == 500
    assert 0 <= int(refused.headers.first("Retry-After") or "-1") <= 10


def test_a_re_invite_without_an_offer_gets_ours_and_answers_in_its_ack(eve: Caller) -> None:
    eve.say("INVITE")
    assert eve.wire.bob.of(Offered)[0].body is None
    eve.wire.bob.agent.calls.accept_offer(eve.agent_leg, b"v=0 ours", eve.wire.now)
    [ok] = [parse_message(m.data) for m in eve.wire.bob.agent.messages_to_send()]
    assert ok.body == b"v=0 ours"
    eve.say("ACK", sequence=eve.sequence, extra=SDP, body="v=0 theirs")
    assert [e.body for e in eve.wire.bob.of(Confirmed)] == [None, b"v=0 theirs"]


def test_an_ack_to_a_re_invite_with_an_offer_says_nothing_new(eve: Caller) -> None:
    eve.say("INVITE", extra=SDP, body="v=0")
    eve.wire.bob.agent.calls.accept_offer(eve.agent_leg, ANSWER, eve.wire.now)
    eve.say("ACK", sequence=eve.sequence, extra=SDP, body="v=0 surprise")
    assert [e.body for e in eve.wire.bob.of(Confirmed)] == [None]


def test_a_re_invite_may_be_cancelled_and_the_call_goes_on(eve: Caller) -> None:
    invite = eve.text("INVITE", extra=SDP, body="v=0")
    eve.wire.raw(invite)
    cancel = invite.replace(b"INVITE sip", b"CANCEL sip").replace(b" INVITE\r", b" CANCEL\r")
    assert sorted(status_of(eve.wire.raw(cancel))) == [200, 487]
    eve.wire.bob.agent.calls.accept_offer(eve.agent_leg, ANSWER, eve.wire.now)
    assert eve.wire.bob.agent.counters.late_verbs == 1
    assert eve.wire.bob.of(Cancelled) == []
    assert eve.wire.bob.agent.legs == [eve.agent_leg]


def test_a_cancel_and_its_invite_are_answered_under_one_tag(wire: Wire) -> None:
    Caller(wire)
    cancel = request("CANCEL")
    out = [m for m in map(parse_message, wire.raw(cancel)) if isinstance(m, Response)]
    assert sorted(m.status for m in out) == [200, 487]
    assert len({m.to.tag for m in out}) == 1


def test_our_offer_during_theirs_is_491_at_once(eve: Caller) -> None:
    eve.say("INVITE", extra=SDP, body="v=0")
    eve.wire.bob.agent.calls.offer(eve.agent_leg, OFFER, eve.wire.now)
    eve.wire.pump()
    assert [e.status for e in eve.wire.bob.of(OfferAnswered)] == [491]
    assert eve.wire.count("bob", b"INVITE") == 0


def test_theirs_during_our_offer_is_491_each_time_it_is_repeated(eve: Caller) -> None:
    eve.wire.bob.agent.calls.offer(eve.agent_leg, OFFER, eve.wire.now)
    eve.wire.pump()
    invite = eve.text("INVITE", extra=SDP, body="v=0")
    assert status_of(eve.wire.raw(invite)) == status_of(eve.wire.raw(invite)) == [491]


@pytest.mark.parametrize(
    ("status", "over"), [(488, False), (503, False), (500, False), (408, True), (481, True)]
)
def test_only_408_and_481_to_our_offer_end_the_call(eve: Caller, status: int, over: bool) -> None:
    wire = eve.wire
    wire.bob.agent.calls.offer(eve.agent_leg, OFFER, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    ours = parse_message(out.data)
    assert isinstance(ours, Request)
    wire.raw(bytes(ours.response(status)))
    assert bool(wire.bob.of(Ended)) is over
    assert [e.status for e in wire.bob.of(OfferAnswered)] == ([] if over else [status])
    assert wire.count("bob", b"BYE") == over


def test_a_peer_that_never_answers_our_offer_has_left(eve: Caller) -> None:
    eve.wire.bob.agent.calls.offer(eve.agent_leg, OFFER, eve.wire.now)
    eve.wire.run(40)
    assert [e.reason for e in eve.wire.bob.of(Ended)] == ["timeout"]


def test_a_re_invite_moves_the_peer_but_not_to_nowhere(eve: Caller) -> None:
    for contact in ("sip:eve@192.0.2.77:5090", "tel:+123"):
        data = eve.text("INVITE", extra=SDP, body="v=0")
        eve.wire.raw(
            data.replace(b"<sip:eve@192.0.2.9>\r\nContent", f"<{contact}>\r\nContent".encode())
        )
        eve.wire.bob.agent.calls.refuse_offer(eve.agent_leg, 488, "no\r\nX: y", (), eve.wire.now)
        [refused] = [m.data for m in eve.wire.bob.agent.messages_to_send()]
        assert refused.startswith(b"SIP/2.0 488 no??X: y\r\n")
    eve.wire.bob.agent.calls.bye(eve.agent_leg, (), eve.wire.now)
    [bye] = eve.wire.bob.agent.messages_to_send()
    assert bye.data.startswith(b"BYE sip:eve@192.0.2.77:5090 ")


def test_a_late_answer_to_our_offer_after_bye_is_acknowledged_and_not_told(wire: Wire) -> None:
    talking(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    wire.run(0.1)
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.bob.agent.calls.accept_offer(wire.bob.leg, ANSWER, wire.now)
    wire.run(1)
    assert wire.alice.of(OfferAnswered) == []
    assert wire.count("alice", b"ACK") == 2


def test_forks_are_acknowledged_up_to_a_bound(wire: Wire) -> None:
    talking(wire)
    ok = next(data for name, data in wire.sent if name == "bob" and b"200 OK" in data)
    tag = wire.bob.agent._legs._legs[wire.bob.leg].local_tag.encode()
    for number in range(40):
        wire.raw(ok.replace(tag, b"fork%d" % number), to="alice")
    assert wire.count("alice", b"ACK") == wire.count("alice", b"BYE") + 1 == 16
    assert len(wire.alice.of(Answered)) == 1
