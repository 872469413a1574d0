"""What bounds the user agent: capacity, floods, peers that lead nowhere, going out of service."""

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import LocalSipError, SipParseError, UserAgent, UserAgentSettings
from aywa.sip.events import Ended, Invited, Refused
from aywa.sip.leg import Invitation
from aywa.sip.message import Response, parse_message
from aywa.sip.transport import Hop

from .conftest import ANSWER, OFFER, Wire
from .test_calls import answering, talking
from .test_requests import answer, request

EVE = Hop("udp", "192.0.2.9", 5060)


def test_a_flood_of_options_keeps_nothing(wire: Wire) -> None:
    for n in range(500):
        assert answer(wire, request("OPTIONS", n=n)).status == 200
    assert len(wire.bob.agent._layer) == 0
    assert wire.bob.agent.next_timer() is None


def test_transactions_are_bounded_and_calls_can_still_be_hung_up() -> None:
    settings = UserAgentSettings("192.0.2.2", max_transactions=4)
    wire = Wire()
    wire.bob.agent = UserAgent(settings, SeededEntropy(3))
    talking(wire)
    leg = wire.bob.leg
    for n in range(8):
        wire.raw(request(n=n))
    for other in wire.bob.agent.legs:
        wire.bob.agent.calls.refuse(other, 486, None, (), wire.now)
    wire.pump()
    refused = answer(wire, request(n=99))
    assert (refused.status, refused.headers.first("Retry-After")) == (503, "10")
    assert len(wire.bob.agent._layer) <= 4
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.run(0.5)
    assert [e.leg for e in wire.bob.of(Ended)] == [leg]


def test_nothing_is_left_of_calls_when_their_time_is_over(wire: Wire) -> None:
    answering(wire)
    for _ in range(30):
        leg = wire.call()
        wire.run(0.2)
        wire.alice.agent.calls.bye(leg, (), wire.now)
        wire.run(0.2)
    wire.run(120)
    for side in (wire.alice, wire.bob):
        layer = side.agent._layer
        assert (len(layer), side.agent.legs, side.agent.next_timer()) == (0, [], None)
        assert layer._users == layer._merge == {}
        legs = side.agent._legs
        assert (legs._dialogs, legs._waiting, len(legs._over) <= 256) == ({}, {}, True)


@pytest.mark.parametrize("zeros", ["0", "00", "0" * 9_000])
def test_max_forwards_of_any_length_is_read(wire: Wire, zeros: str) -> None:
    assert answer(wire, request(hops=zeros)).status == 483
    assert answer(wire, request("OPTIONS", hops=zeros)).status == 200


@pytest.mark.parametrize(
    "contact", ["<mailto:bob@192.0.2.2>", "<tel:+1>", "<sip:bob@192.0.2.2;transport=ws>"]
)
def test_an_answer_that_leads_nowhere_is_a_failed_call(wire: Wire, contact: str) -> None:
    leg = wire.alice.agent.calls.invite(
        Invitation("sip:bob@192.0.2.9", "sip:alice@192.0.2.1", OFFER), wire.now
    )
    [out] = wire.alice.agent.messages_to_send()
    invite = parse_message(out.data)
    assert not isinstance(invite, Response)
    ok = invite.response(200, to_tag="t")
    ok.headers.add("Contact", contact)
    for _ in range(3):
        wire.raw(bytes(ok), to="alice")
    assert [(e.leg, e.status) for e in wire.alice.of(Refused)] == [(leg, 502)]
    assert wire.alice.agent.legs == []


@pytest.mark.parametrize(
    ("target", "name", "headers"),
    [
        ("mailto:bob@192.0.2.2", None, ()),
        ("sip:bob@192.0.2.2;transport=ws", None, ()),
        ("sip:bob@192.0.2.2 SIP/2.0\r\nX: y", None, ()),
        ("sip:bob@192.0.2.2", "Eve\r\nX: y", ()),
        ("sip:bob@192.0.2.2", "\ud83d", ()),
        ("sip:bob@192.0.2.2", None, [("X", "a\r\nY: b")]),
        ("sip:bob@192.0.2.2", None, [("X Y", "a")]),
    ],
)
def test_an_unusable_invitation_is_an_error_and_sends_nothing(
    wire: Wire, target: str, name: str | None, headers: list[tuple[str, str]]
) -> None:
    invitation = Invitation(target, "sip:alice@192.0.2.1", OFFER, name, headers=headers)
    with pytest.raises((SipParseError, LocalSipError)):
        wire.alice.agent.calls.invite(invitation, wire.now)
    assert wire.alice.agent.messages_to_send() == []
    assert wire.alice.agent.legs == []


def test_headers_of_a_uri_do_not_reach_the_request_line(wire: Wire) -> None:
    target = "sip:bob@192.0.2.2?Subject=x"
    wire.alice.agent.calls.invite(Invitation(target, "sip:alice@192.0.2.1", OFFER), wire.now)
    [out] = wire.alice.agent.messages_to_send()
    assert out.data.startswith(b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\n")


def test_headers_of_a_cancel_wait_with_it(wire: Wire) -> None:
    leg = wire.call()
    wire.alice.agent.calls.cancel(leg, [("Reason", "SIP;cause=200")], wire.now)
    wire.run(1)
    [cancel] = [data for _, data in wire.sent if data.startswith(b"CANCEL")]
    assert b"\r\nReason: SIP;cause=200\r\n" in cancel


def test_going_out_of_service_says_goodbye_and_takes_no_call(wire: Wire) -> None:
    talking(wire)
    up = wire.bob.leg
    wire.on_bob = lambda _: None
    wire.call()
    wire.run(0.1)
    dialing = wire.bob.agent.calls.invite(
        Invitation("sip:eve@192.0.2.9", "sip:bob@192.0.2.2", OFFER), wire.now
    )
    assert set(wire.bob.agent.legs) == {up, wire.bob.leg, dialing}
    wire.bob.agent.close(wire.now)
    assert wire.bob.agent.busy
    wire.run(1)
    assert [e.status for e in wire.alice.of(Refused)] == [503]
    assert [e.reason for e in wire.alice.of(Ended)] == ["bye"]
    assert answer(wire, request(n=7)).status == 503
    assert len(wire.bob.of(Invited)) == 2
    assert wire.bob.agent.counters.late_verbs == 0
    wire.run(40)
    assert not wire.bob.agent.busy


def test_an_owner_who_hung_up_is_told_no_more(wire: Wire) -> None:
    wire.raw(request())
    leg = wire.bob.leg
    wire.bob.agent.calls.answer(leg, ANSWER, (), wire.now)
    wire.bob.agent.calls.bye(leg, [("Reason", "Q.850;cause=16")], wire.now)
    before = len(wire.bob.events)
    wire.run(40)
    byes = [data for _, data in wire.sent if data.startswith(b"BYE")]
    assert byes
    assert all(b"Reason: Q.850;cause=16" in bye for bye in byes)
    assert len(wire.bob.events) == before
    for verb in ("bye", "cancel"):
        getattr(wire.bob.agent.calls, verb)(leg, (), wire.now)
    wire.bob.agent.calls.answer(leg, ANSWER, (), wire.now)
    wire.bob.agent.calls.accept_offer(leg, ANSWER, wire.now)
    assert wire.bob.agent.counters.late_verbs == 4


def test_the_last_refusals_are_kept_in_words(wire: Wire) -> None:
    for n in range(30):
        wire.raw(request("SUBSCRIBE", n=n))
    kept = wire.bob.agent.counters.refusals
    assert len(kept) == 20
    assert (kept[-1].source, kept[-1].method, kept[-1].status) == (EVE.host, "SUBSCRIBE", 489)
    assert kept[-1].why == "nothing here can be subscribed to"
    assert wire.bob.agent.counters.refused[489] == 30
