"""Where an INVITE goes, and how it names us: targets in turn, Route, Contact and Via."""

import pytest

from aywa.base.ids import SeededEntropy
from aywa.sip import UserAgent
from aywa.sip.events import Answered, Refused
from aywa.sip.leg import Invitation
from aywa.sip.message import Request, parse_message
from aywa.sip.settings import LocalAddress, UserAgentSettings
from aywa.sip.transport import Hop

from .conftest import OFFER, Wire
from .test_in_dialog import SDP
from .test_requests import request
from .test_routes import accept

FIRST, SECOND = Hop("udp", "192.0.2.31", 5060), Hop("udp", "192.0.2.32", 5060)
BOB, ALICE = "sip:bob@trunk.example", "sip:alice@192.0.2.1"


def sent(wire: Wire) -> list[tuple[Request, Hop]]:
    out = [(parse_message(m.data), m.route.hop) for m in wire.alice.agent.messages_to_send()]
    return [(m, hop) for m, hop in out if isinstance(m, Request)]


def invite(wire: Wire, invitation: Invitation) -> tuple[Request, Hop]:
    wire.alice.legs.append(wire.alice.agent.calls.invite(invitation, wire.now))
    [one] = sent(wire)
    return one


@pytest.mark.parametrize("status", [408, 480, 503, 504])
def test_another_target_is_tried_when_one_is_out_of_service(wire: Wire, status: int) -> None:
    first, hop = invite(wire, Invitation(BOB, ALICE, OFFER, targets=[FIRST, SECOND]))
    assert hop == FIRST
    wire.alice.agent.receive(bytes(first.response(status)), FIRST, wire.now)
    out = sent(wire)
    assert [(m.method, hop) for m, hop in out] == [("ACK", FIRST), ("INVITE", SECOND)]
    second = out[1][0]
    assert second.call_id == first.call_id
    assert second.cseq.sequence == first.cseq.sequence + 1
    wire.alice.agent.receive(bytes(accept(second, [])), SECOND, wire.now)
    wire.pump()
    assert len(wire.alice.of(Answered)) == 1


@pytest.mark.parametrize("status", [404, 486, 603, 302])
def test_an_answer_is_an_answer(wire: Wire, status: int) -> None:
    first, _ = invite(wire, Invitation(BOB, ALICE, OFFER, targets=[FIRST, SECOND]))
    refused = first.response(status)
    refused.headers.add("Contact", "<sip:carol@192.0.2.3>")
    wire.alice.agent.receive(bytes(refused), FIRST, wire.now)
    wire.pump()
    [event] = wire.alice.of(Refused)
    assert event.status == status
    assert ("Contact", "<sip:carol@192.0.2.3>") in event.headers
    assert wire.count("alice", b"INVITE") == 0


def test_no_further_target_after_the_owner_gave_up(wire: Wire) -> None:
    first, _ = invite(wire, Invitation(BOB, ALICE, OFFER, targets=[FIRST, SECOND]))
    wire.alice.agent.receive(bytes(first.response(100)), FIRST, wire.now)
    wire.alice.agent.calls.cancel(wire.alice.leg, (), wire.now)
    assert [m.method for m, _ in sent(wire)] == ["CANCEL"]
    wire.alice.agent.receive(bytes(first.response(503)), FIRST, wire.now)
    assert [m.method for m, _ in sent(wire)] == ["ACK"]
    wire.pump()
    assert [e.status for e in wire.alice.of(Refused)] == [503]


def test_cancel_waits_for_a_word_of_the_target_that_is_tried(wire: Wire) -> None:
    first, _ = invite(wire, Invitation(BOB, ALICE, OFFER, targets=[FIRST, SECOND]))
    wire.alice.agent.receive(bytes(first.response(100)), FIRST, wire.now)
    wire.alice.agent.receive(bytes(first.response(503)), FIRST, wire.now)
    second = sent(wire)[-1][0]
    wire.alice.agent.calls.cancel(wire.alice.leg, (), wire.now)
    assert sent(wire) == []
    wire.alice.agent.receive(bytes(second.response(100)), SECOND, wire.now)
    [(cancel, hop)] = sent(wire)
    assert (cancel.method, cancel.cseq.sequence, hop) == ("CANCEL", 2, SECOND)
    assert cancel.headers.first("Via") == second.headers.first("Via")


def test_the_service_route_is_kept_for_the_invite(wire: Wire) -> None:
    routes = ["<sip:edge.example;lr>", "<sip:core.example;lr>"]
    message, hop = invite(wire, Invitation(BOB, ALICE, OFFER, routes=routes))
    assert message.headers.all("Route") == routes
    assert (message.target, hop.host) == (BOB, "edge.example")


EVERYWHERE = UserAgentSettings(
    "192.0.2.1",
    addresses=(
        LocalAddress("tls", "192.0.2.1", 5061),
        LocalAddress("udp", "2001:db8::1", 5060),
        LocalAddress("tls", "2001:db8::1", 5061),
    ),
)


@pytest.mark.parametrize(
    ("target", "hop", "contact", "via"),
    [
        ("sip:b@h", FIRST, "<sip:192.0.2.1:5060>", "SIP/2.0/UDP 192.0.2.1:5060"),
        (
            "sip:b@h",
            Hop("tcp", "192.0.2.31", 5060),
            "<sip:192.0.2.1:5060;transport=tcp>",
            "SIP/2.0/TCP 192.0.2.1:5060",
        ),
        (
            "sip:b@h",
            Hop("tls", "192.0.2.31", 5061),
            "<sip:192.0.2.1:5061;transport=tls>",
            "SIP/2.0/TLS 192.0.2.1:5061",
        ),
        (
            "sips:b@h",
            Hop("tls", "192.0.2.31", 5061),
            "<sips:192.0.2.1:5061>",
            "SIP/2.0/TLS 192.0.2.1:5061",
        ),
        (
            "sip:b@h",
            Hop("udp", "2001:db8::9", 5060),
            "<sip:[2001:db8::1]:5060>",
            "SIP/2.0/UDP [2001:db8::1]:5060",
        ),
        (
            "sips:b@h",
            Hop("tls", "2001:db8::9", 5061),
            "<sips:[2001:db8::1]:5061>",
            "SIP/2.0/TLS [2001:db8::1]:5061",
        ),
    ],
)
def test_contact_and_via_name_the_address_that_the_far_end_reaches(
    wire: Wire, target: str, hop: Hop, contact: str, via: str
) -> None:
    wire.alice.agent = UserAgent(EVERYWHERE, SeededEntropy(1))
    message, there = invite(wire, Invitation(target, ALICE, OFFER, targets=[hop]))
    assert there == hop
    assert message.headers.first("Contact") == contact
    assert (message.headers.first("Via") or "").startswith(via + ";rport;branch=z9hG4bK")


def test_a_trunk_is_named_by_user_and_line_in_every_contact(wire: Wire) -> None:
    invitation = Invitation(BOB, ALICE, OFFER, targets=[FIRST], contact_user="trunk7", line="0f3a")
    first, _ = invite(wire, invitation)
    ours = "<sip:trunk7@192.0.2.1:5060;line=0f3a>"
    assert first.headers.first("Contact") == ours
    wire.alice.agent.receive(bytes(accept(first, [])), FIRST, wire.now)
    wire.alice.agent.calls.offer(wire.alice.leg, OFFER, wire.now)
    [again] = [m for m, _ in sent(wire) if m.method == "INVITE"]
    assert again.headers.first("Contact") == ours


def test_a_secure_call_in_and_the_requests_that_follow(wire: Wire) -> None:
    wire.alice.agent = UserAgent(EVERYWHERE, SeededEntropy(1))
    source = Hop("tls", "192.0.2.9", 40_000)
    data = request(uri="sips:alice@192.0.2.1:5061", extra=SDP, body="v=0")
    data = data.replace(b"Contact: <sip:eve@192.0.2.9>", b"Contact: <sips:eve@192.0.2.9>")
    wire.alice.agent.receive(data.replace(b"/UDP", b"/TLS"), source, wire.now)
    leg = wire.alice.agent.legs[0]
    wire.alice.agent.messages_to_send()
    wire.alice.agent.calls.answer(leg, b"v=0", (), wire.now)
    [out] = wire.alice.agent.messages_to_send()
    ok = parse_message(out.data)
    assert (ok.headers.first("Contact"), out.route.flow) == ("<sips:192.0.2.1:5061>", source)
    ack = request("ACK", to=f";tag={ok.to.tag}").replace(b"/UDP", b"/TLS")
    wire.alice.agent.receive(ack, source, wire.now)
    wire.alice.agent.calls.bye(leg, (), wire.now)
    [bye] = wire.alice.agent.messages_to_send()
    assert (bye.route.hop.transport, bye.route.hop.port, bye.route.flow) == ("tls", 5061, source)
    assert bye.data.startswith(b"BYE sips:eve@192.0.2.9 ")


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (
            "<sip:eve@192.0.2.31:5071;transport=tls>",
            Hop("tls", "192.0.2.31", 5071, "edge.example"),
        ),
        ("<sip:eve@edge.example;transport=tls>", Hop("tls", "192.0.2.31", 5061, "edge.example")),
        ("<sip:eve@edge.example:9999;transport=tls>", Hop("tls", "edge.example", 9999)),
        ("<sip:eve@192.0.2.99;transport=tls>", Hop("tls", "192.0.2.99", 5061)),
    ],
)
def test_a_target_that_was_resolved_keeps_its_name_in_the_dialog(
    wire: Wire, contact: str, expected: Hop
) -> None:
    target = Hop("tls", "192.0.2.31", 5061, "edge.example")
    first, _ = invite(wire, Invitation("sip:b@edge.example", ALICE, OFFER, targets=[target]))
    ok = accept(first, [])
    data = bytes(ok).replace(b"<sip:eve@192.0.2.77:5070>", contact.encode())
    wire.alice.agent.receive(data, Hop("tls", "192.0.2.31", 5061), wire.now)
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    assert [hop for m, hop in sent(wire) if m.method == "BYE"] == [expected]
