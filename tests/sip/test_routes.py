"""Ways a message takes: route sets of the caller's side, loops, strayed responses and ACKs."""

import pytest

from aywa.sip.events import Answered, Confirmed, Refused
from aywa.sip.leg import Invitation
from aywa.sip.message import Request, Response, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_requests import answer, request

LOOSE = ["<sip:p1.example;lr>", "<sip:p2.example:5080;lr>"]
STRICT = ["<sip:p1.example;lr>", "<sip:p2.example>"]


def invited(wire: Wire) -> Request:
    """Alice's INVITE to somebody who answers by hand."""
    invitation = Invitation("sip:eve@192.0.2.9", "sip:alice@192.0.2.1", OFFER)
    wire.alice.legs.append(wire.alice.agent.calls.invite(invitation, wire.now))
    [out] = wire.alice.agent.messages_to_send()
    message = parse_message(out.data)
    assert isinstance(message, Request)
    return message


def accept(invite: Request, record_route: list[str]) -> Response:
    ok = invite.response(200, to_tag="t")
    ok.headers.extend("Record-Route", record_route)
    ok.headers.add("Contact", "<sip:eve@192.0.2.77:5070>")
    ok.headers.add("Content-Type", "application/sdp")
    ok.body = ANSWER
    return ok


@pytest.mark.parametrize(
    ("record_route", "target", "routes", "hop"),
    [
        ([], "sip:eve@192.0.2.77:5070", [], ("192.0.2.77", 5070)),
        (LOOSE, "sip:eve@192.0.2.77:5070", LOOSE[::-1], ("p2.example", 5080)),
        (
            STRICT,
            "sip:p2.example",
            ["<sip:p1.example;lr>", "<sip:eve@192.0.2.77:5070>"],
            ("p2.example", 5060),
        ),
    ],
)
def test_the_caller_walks_the_recorded_route_backwards(
    wire: Wire, record_route: list[str], target: str, routes: list[str], hop: tuple[str, int]
) -> None:
    ok = accept(invited(wire), record_route)
    wire.alice.agent.receive(bytes(ok), wire.bob.hop, wire.now)
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    for out, method in zip(wire.alice.agent.messages_to_send(), ("ACK", "BYE"), strict=True):
        message = parse_message(out.data)
        assert isinstance(message, Request)
        assert (message.method, message.target) == (method, target)
        assert message.headers.all("Route") == routes
        assert (out.route.hop.host, out.route.hop.port) == hop


def test_our_own_invite_that_comes_back_is_a_loop(wire: Wire) -> None:
    invite = invited(wire)
    looped = bytes(invite).replace(
        b"\r\nVia", b"\r\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKproxy\r\nVia", 1
    )
    [response] = map(parse_message, wire.raw(looped, to="alice"))
    assert isinstance(response, Response)
    assert response.status == 482


def test_a_response_that_passed_another_element_is_not_for_us(wire: Wire) -> None:
    invite = invited(wire)
    strayed = bytes(invite.response(486, to_tag="t")).replace(
        b"\r\nFrom", b"\r\nVia: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKproxy\r\nFrom", 1
    )
    before = wire.alice.agent.counters.dropped
    assert wire.raw(strayed, to="alice") == []
    assert wire.alice.agent.counters.dropped == before + 1
    assert wire.alice.of(Refused) == []


def test_a_response_to_nothing_is_dropped(wire: Wire) -> None:
    invite = invited(wire)
    for old, new in ((b"branch=z9hG4bK", b"branch=z9hG4bKx"), (b" INVITE\r", b" BYE\r")):
        assert wire.raw(bytes(accept(invite, [])).replace(old, new), to="alice") == []
    assert wire.alice.of(Answered) == []


def test_an_ack_that_takes_the_branch_of_its_invite_confirms_all_the_same(wire: Wire) -> None:
    wire.raw(request())
    wire.bob.agent.calls.answer(wire.bob.leg, ANSWER, (), wire.now)
    [ok] = wire.bob.agent.messages_to_send()
    tag = parse_message(ok.data).to.tag
    wire.raw(request("ACK", to=f";tag={tag}"))
    assert len(wire.bob.of(Confirmed)) == 1
    wire.run(40)
    assert wire.bob.agent.legs == [wire.bob.leg]


def test_a_response_over_udp_goes_back_through_a_nat(wire: Wire) -> None:
    """§18.2.2 names the sent-by port; behind a NAT only the source port is open."""
    plain = request("OPTIONS").replace(b";rport", b"")
    wire.bob.agent.receive(plain, wire.alice.hop, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    assert (out.route.hop.host, out.route.hop.port) == ("192.0.2.1", 5060)
    assert b";received=192.0.2.1" in out.data
    assert b"rport" not in out.data


def test_a_peer_of_the_old_rfc_is_served(wire: Wire) -> None:
    old = request().replace(b"z9hG4bK-1", b"1")
    assert answer(wire, old).status == 100
    assert answer(wire, old).status == 100
    assert len(wire.bob.legs) == 1
    cancelled = [parse_message(m) for m in wire.raw(old.replace(b"INVITE", b"CANCEL"))]
    assert sorted(m.status for m in cancelled if isinstance(m, Response)) == [200, 487]
