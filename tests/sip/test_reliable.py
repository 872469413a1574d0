"""Reliable provisional responses and PRACK (RFC 3262), as caller and as callee; early UPDATE."""

import pytest

from aywa.sip.events import (
    Answered,
    Confirmed,
    Ended,
    Invited,
    OfferAnswered,
    Offered,
    Rang,
    SipEvent,
)
from aywa.sip.message import Request, Response, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_in_dialog import SDP, status_of
from .test_requests import request
from .test_routes import invited

REQUIRED = "Require: 100rel\r\n"
PERMITTED = "Supported: 100rel\r\n"


class Prack:
    """Eve, who called Bob and acknowledges his provisional responses by hand."""

    def __init__(self, wire: Wire, extra: str, body: str = "v=0") -> None:
        self.wire = wire
        wire.raw(request(extra=extra + (SDP if body else ""), body=body))
        self.leg = wire.bob.of(Invited)[-1].leg
        self.sequence = 1

    def ring(self, status: int = 183, body: bytes | None = ANSWER) -> list[Response]:
        self.wire.bob.agent.calls.ring(self.leg, status, self.wire.now, body)
        return self.sent()

    def sent(self) -> list[Response]:
        out = [parse_message(m.data) for m in self.wire.bob.agent.messages_to_send()]
        return [m for m in out if isinstance(m, Response)]

    def prack(
        self, response: Response, *, body: str = "", rseq: str | None = None, cseq: int = 1
    ) -> list[Response]:
        return self.say("PRACK", response, self.rack(response, rseq, cseq), body)

    def rack(self, response: Response, rseq: str | None = None, cseq: int = 1) -> str:
        return f"RAck: {rseq or response.headers.first('RSeq')} {cseq} INVITE\r\n"

    def say(self, method: str, to: Response, extra: str = "", body: str = "") -> list[Response]:
        self.sequence += 1
        kind = SDP if body else ""
        data = request(method, to=f";tag={to.to.tag}", extra=extra + kind, body=body)
        data = data.replace(b"CSeq: 1", b"CSeq: %d" % self.sequence)
        branch = b"z9hG4bK-%d-%s" % (self.sequence, method.encode())
        out = map(parse_message, self.wire.raw(data.replace(b"z9hG4bK-1", branch)))
        return [m for m in out if isinstance(m, Response)]


@pytest.mark.parametrize(
    ("extra", "body", "reliable"),
    [
        (REQUIRED, None, True),
        (REQUIRED, ANSWER, True),
        (PERMITTED, ANSWER, True),
        (PERMITTED, None, False),
        ("", ANSWER, False),
    ],
)
def test_a_response_is_reliable_if_the_caller_wants_it_or_it_describes_the_session(
    wire: Wire, extra: str, body: bytes | None, reliable: bool
) -> None:
    [ringing] = Prack(wire, extra).ring(183, body)
    assert (ringing.headers.first("Require") == "100rel") is reliable
    assert (ringing.headers.first("RSeq") is not None) is reliable
    assert ringing.body == (body or b"")
    wire.run(4)
    assert wire.count("bob", b"SIP/2.0 183") == (3 if reliable else 0)  # 0.5, 1.5, 3.5 s


def test_an_unacknowledged_response_is_given_up_after_64_t1(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    eve.ring()
    wire.run(31.9)
    assert wire.bob.of(Ended) == []
    wire.run(0.2)
    assert [e.reason for e in wire.bob.of(Ended)] == ["no_ack"]
    assert wire.count("bob", b"SIP/2.0 504") == 1
    assert wire.bob.agent.legs == []


def test_a_prack_stops_the_repetition_and_another_one_is_unknown(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    [ringing] = eve.ring()
    assert status_of([bytes(m) for m in eve.prack(ringing, rseq="7")]) == [481]
    assert [m.status for m in eve.prack(ringing, cseq=2)] == [481]
    assert [m.status for m in eve.say("PRACK", ringing, "RAck: x\r\n")] == [400]
    assert [m.status for m in eve.prack(ringing)] == [200]
    assert [m.status for m in eve.prack(ringing)] == [481]
    before = len(wire.sent)
    wire.run(60)
    assert len(wire.sent) == before
    assert wire.bob.agent.legs == [eve.leg]


def test_the_second_reliable_response_waits_for_the_first_prack(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    [first] = eve.ring(180, None)
    assert eve.ring(183) == []
    second = next(m for m in eve.prack(first) if m.status == 183)
    assert int(second.headers.first("RSeq") or 0) == int(first.headers.first("RSeq") or 0) + 1
    assert [m.status for m in eve.prack(second)] == [200]


def test_reliable_responses_that_wait_are_bounded(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    for _ in range(40):
        eve.ring(180, None)
    assert wire.bob.agent.counters.late_verbs == 31


def test_the_answer_is_held_until_the_description_is_acknowledged(wire: Wire) -> None:
    eve = Prack(wire, PERMITTED)
    [progress] = eve.ring()
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    assert eve.sent() == []
    out = eve.prack(progress)
    assert [m.status for m in out] == [200, 200]
    ok = out[1]
    assert (ok.cseq.method, ok.body) == ("INVITE", b"")  # the session is described already
    eve.say("ACK", ok)
    wire.raw(request("ACK", to=f";tag={ok.to.tag}"))
    assert len(wire.bob.of(Confirmed)) == 1


def test_an_answer_after_a_bare_reliable_ringing_does_not_wait(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    eve.ring(180, None)
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    [ok] = eve.sent()
    assert (ok.status, ok.body) == (200, ANSWER)
    wire.run(3)
    assert wire.count("bob", b"SIP/2.0 180") == 0


def test_a_prack_that_crosses_the_answer_is_taken(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED)
    [ringing] = eve.ring(180, None)
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    eve.sent()
    assert [m.status for m in eve.prack(ringing)] == [200]
    assert [m.status for m in eve.prack(ringing)] == [481]


def test_a_held_answer_that_is_hung_up_is_a_refusal(wire: Wire) -> None:
    eve = Prack(wire, PERMITTED)
    eve.ring()
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    wire.bob.agent.calls.bye(eve.leg, (), wire.now)
    assert [m.status for m in eve.sent()] == [480]
    assert wire.bob.agent.legs == []


def test_a_prack_may_carry_another_offer(wire: Wire) -> None:
    eve = Prack(wire, PERMITTED)
    [progress] = eve.ring()
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    assert eve.prack(progress, body="v=0 again") == []
    [offered] = wire.bob.of(Offered)
    assert offered.body == b"v=0 again"
    wire.bob.agent.calls.accept_offer(eve.leg, b"v=0 fine", wire.now)
    assert [(m.cseq.method, m.status, m.body) for m in eve.sent()] == [
        ("PRACK", 200, b"v=0 fine"),
        ("INVITE", 200, b""),
    ]


def test_our_offer_in_a_provisional_is_answered_by_prack(wire: Wire) -> None:
    eve = Prack(wire, REQUIRED, body="")
    [progress] = eve.ring(183, OFFER)
    assert [m.status for m in eve.prack(progress, body="v=0 answer")] == [200]
    assert [(e.status, e.body) for e in wire.bob.of(OfferAnswered)] == [(200, b"v=0 answer")]
    wire.bob.agent.calls.answer(eve.leg, OFFER, (), wire.now)
    [ok] = eve.sent()
    assert ok.body == b""


def test_an_update_before_the_answer(wire: Wire) -> None:
    eve = Prack(wire, PERMITTED)
    [progress] = eve.ring()
    refused = eve.say("UPDATE", progress, body="v=0 too early")
    assert [(m.status, m.headers.first("Retry-After")) for m in refused] == [(500, "2")]
    assert [m.status for m in eve.say("UPDATE", progress)] == [200]
    eve.prack(progress)
    assert eve.say("UPDATE", progress, body="v=0 hold") == []
    assert [m.status for m in eve.say("UPDATE", progress, body="v=0 and")] == [500]
    wire.bob.agent.calls.accept_offer(eve.leg, b"v=0 held", wire.now)
    assert [(m.status, m.body) for m in eve.sent()] == [(200, b"v=0 held")]


# Both sides ours ------------------------------------------------------------------------------


def early_media(wire: Wire) -> None:
    def on(event: SipEvent) -> None:
        if isinstance(event, Invited):
            wire.bob.agent.calls.ring(event.leg, 183, wire.now, ANSWER)

    wire.on_bob = on
    wire.call()
    wire.run(0.2)


@pytest.mark.parametrize("lost", [b"PRACK", b"SIP/2.0 183", b"SIP/2.0 200"])
def test_early_media_and_then_the_answer_whatever_is_lost(wire: Wire, lost: bytes) -> None:
    wire.drop(lambda data: data.startswith(lost), 2)
    early_media(wire)
    wire.run(10)
    assert [e.body for e in wire.alice.of(Rang)] == [ANSWER]
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    wire.run(5)
    [answered] = wire.alice.of(Answered)
    assert answered.body == ANSWER
    assert len(wire.bob.of(Confirmed)) == 1
    ok = [d for _, d in wire.sent if d.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in d]
    assert not ok[0].endswith(ANSWER)


def test_both_sides_update_before_the_answer(wire: Wire) -> None:
    early_media(wire)
    wire.alice.agent.calls.offer(wire.alice.leg, b"v=0 mute", wire.now)
    wire.run(0.1)
    wire.bob.agent.calls.accept_offer(wire.bob.leg, b"v=0 muted", wire.now)
    wire.run(0.1)
    assert [(e.status, e.body) for e in wire.alice.of(OfferAnswered)] == [(200, b"v=0 muted")]
    wire.bob.agent.calls.offer(wire.bob.leg, b"v=0 back", wire.now)
    wire.run(0.1)
    [offered] = wire.alice.of(Offered)
    wire.alice.agent.calls.refuse_offer(offered.leg, 488, None, (), wire.now)
    wire.run(0.1)
    assert [e.status for e in wire.bob.of(OfferAnswered)] == [488]
    assert wire.count("alice", b"UPDATE") == wire.count("bob", b"UPDATE") == 1
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    wire.run(0.1)
    assert len(wire.alice.of(Answered)) == 1


def test_an_offer_before_anything_is_agreed_is_491(wire: Wire) -> None:
    leg = wire.call()
    wire.run(0.1)
    wire.alice.agent.calls.offer(leg, OFFER, wire.now)
    wire.bob.agent.calls.offer(wire.bob.leg, OFFER, wire.now)
    wire.pump()
    assert [e.status for e in wire.alice.of(OfferAnswered)] == [491]
    assert [e.status for e in wire.bob.of(OfferAnswered)] == [491]


def test_our_offer_in_a_later_200_is_answered_in_its_ack(wire: Wire) -> None:
    """Early media before does not change that."""
    eve = Prack(wire, PERMITTED)
    [progress_] = eve.ring()
    wire.bob.agent.calls.answer(eve.leg, ANSWER, (), wire.now)
    ok = eve.prack(progress_)[-1]
    wire.raw(request("ACK", to=f";tag={ok.to.tag}"))
    eve.say("INVITE", ok)
    wire.bob.agent.calls.accept_offer(eve.leg, b"v=0 ours", wire.now)
    [again] = eve.sent()
    assert again.body == b"v=0 ours"
    eve.sequence -= 1
    eve.say("ACK", again, body="v=0 theirs")
    assert [e.body for e in wire.bob.of(Confirmed)] == [None, b"v=0 theirs"]


# The caller's side, by hand -------------------------------------------------------------------


def progress(invite: Request, rseq: int, tag: str, body: bytes = ANSWER) -> Response:
    one = invite.response(183, to_tag=tag)
    one.headers.add("Contact", f"<sip:{tag}@192.0.2.2>")
    one.headers.add("Require", "100rel")
    one.headers.add("RSeq", str(rseq))
    one.headers.add("Content-Type", "application/sdp")
    one.body = body
    return one


def test_each_fork_is_acknowledged_in_order(wire: Wire) -> None:
    invite = invited(wire)
    assert "100rel" in (invite.headers.first("Supported") or "")
    first = wire.raw(bytes(progress(invite, 10, "a")), to="alice")
    assert wire.raw(bytes(progress(invite, 10, "a")), to="alice") == []
    assert wire.raw(bytes(progress(invite, 12, "a")), to="alice") == []
    second = wire.raw(bytes(progress(invite, 500, "b", b"v=0 b")), to="alice")
    third = wire.raw(bytes(progress(invite, 11, "a")), to="alice")
    pracks = [parse_message(data) for data in first + second + third]
    assert [(m.headers.first("RAck"), m.to.tag, m.cseq.sequence) for m in pracks] == [
        ("10 1 INVITE", "a", 2),
        ("500 1 INVITE", "b", 2),
        ("11 1 INVITE", "a", 3),
    ]
    assert [m.target for m in pracks if isinstance(m, Request)] == [
        "sip:a@192.0.2.2",
        "sip:b@192.0.2.2",
        "sip:a@192.0.2.2",
    ]
    assert [e.body for e in wire.alice.of(Rang)] == [ANSWER, b"v=0 b", ANSWER]
    ok = invite.response(200, to_tag="b")
    ok.headers.add("Contact", "<sip:b@192.0.2.2>")
    wire.raw(bytes(ok), to="alice")
    assert [e.body for e in wire.alice.of(Answered)] == [b"v=0 b"]


def test_early_dialogs_are_bounded(wire: Wire) -> None:
    invite = invited(wire)
    for n in range(40):
        wire.raw(bytes(progress(invite, 1, f"fork{n}")), to="alice")
    assert wire.count("alice", b"PRACK") == len(wire.alice.of(Rang)) == 16
    assert len(wire.alice.agent._legs._dialogs) == 16
    wire.raw(bytes(invite.response(486, to_tag="x")), to="alice")
    assert wire.alice.agent._legs._dialogs == {}


def test_one_fork_that_leaves_does_not_end_the_call(wire: Wire) -> None:
    invite = invited(wire)
    wire.raw(bytes(progress(invite, 1, "a")), to="alice")
    bye = request("BYE", to=f";tag={invite.from_.tag}").replace(b"call-1", invite.call_id.encode())
    out = wire.raw(bye.replace(b";tag=e1", b";tag=a"), to="alice")
    assert status_of(out) == [200]
    assert wire.alice.agent.legs == [wire.alice.leg]
