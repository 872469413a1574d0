"""What a user agent answers to requests out of the blue, broken ones above all."""

import random

import pytest

from aywa.sip.abilities import ALLOW
from aywa.sip.events import Answered, Confirmed, Invited
from aywa.sip.message import Response, parse_message

from .conftest import ANSWER, Wire
from .test_calls import talking

HEAD = (
    "Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bK-{n}\r\n"
    "From: <sip:eve@192.0.2.9>;tag=e{n}\r\nTo: <sip:bob@192.0.2.2>{to}\r\n"
    "Call-ID: call-{n}\r\nCSeq: 1 {method}\r\nMax-Forwards: {hops}\r\n"
    "Contact: <sip:eve@192.0.2.9>\r\n{extra}"
)


def request(
    method: str = "INVITE",
    *,
    extra: str = "",
    body: str = "",
    to: str = "",
    hops: str = "70",
    uri: str = "sip:bob@192.0.2.2",
    version: str = "2.0",
    n: int = 1,
) -> bytes:
    head = HEAD.format(n=n, method=method, to=to, hops=hops, extra=extra)
    start = f"{method} {uri} SIP/{version}\r\n"
    return f"{start}{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def answer(wire: Wire, data: bytes) -> Response:
    [last] = [m for m in map(parse_message, wire.raw(data)) if isinstance(m, Response)][-1:]
    return last


@pytest.mark.parametrize(
    ("data", "status", "header"),
    [
        (request("OPTIONS"), 200, ("Allow", ALLOW)),
        (request("OPTIONS"), 200, ("Supported", "100rel, timer, replaces, norefersub")),
        (request("REGISTER"), 405, ("Allow", ALLOW)),
        (request("MESSAGE"), 405, ("Allow", ALLOW)),
        (request("REFER"), 405, ("Allow", ALLOW)),
        (request("SING"), 501, ("Allow", ALLOW)),
        (request("SUBSCRIBE"), 489, ("Allow-Events", "refer")),
        (request("NOTIFY"), 481, None),
        (request("INFO"), 481, None),
        (request("UPDATE"), 481, None),
        (request("PRACK"), 481, None),
        (request("INFO", to=";tag=unknown"), 481, None),
        (request("INVITE", to=";tag=unknown"), 481, None),
        (request("BYE"), 481, None),
        (request("BYE", to=";tag=unknown"), 481, None),
        (request("CANCEL"), 481, None),
        (request(hops="0"), 483, None),
        (request(extra="Require: 100rel, foo\r\n"), 420, ("Unsupported", "foo")),
        (
            request(extra="Content-Type: text/plain\r\n", body="hello"),
            415,
            ("Accept", "application/sdp"),
        ),
        (
            request(extra="Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", body="x"),
            415,
            None,
        ),
        (request(uri="tel:+123"), 416, None),
        (request(uri="sips:bob@192.0.2.2"), 416, None),
        (request(extra="Accept: text/plain\r\n"), 406, None),
        (request(version="7.0"), 505, None),
        (request(extra="CSeq: 2 INVITE\r\n"), 400, None),
        (request().replace(b"CSeq: 1 INVITE", b"CSeq: x INVITE"), 400, None),
        (request().replace(b"Content-Length: 0", b"Content-Length: 900"), 400, None),
    ],
)
def test_a_request_that_cannot_be_served_is_told_why(
    wire: Wire, data: bytes, status: int, header: tuple[str, str] | None
) -> None:
    response = answer(wire, data)
    assert response.status == status
    assert response.reason
    if header:
        assert response.headers.first(header[0]) == header[1]
    assert wire.bob.of(Invited) == []
    if status != 200:
        assert wire.bob.agent.counters.refusals[-1].status == status


def test_the_same_refusal_is_given_to_the_same_request(wire: Wire) -> None:
    assert wire.raw(request(hops="0")) == wire.raw(request(hops="0"))


def test_an_ack_and_noise_get_no_answer(wire: Wire) -> None:
    assert wire.raw(request("ACK", to=";tag=x")) == []
    assert wire.raw(b"\x00\x01\x02" * 50) == []
    assert wire.raw(b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\n\r\n") == []
    assert wire.bob.agent.counters.dropped >= 2


def test_a_request_that_comes_on_two_ways_is_merged(wire: Wire) -> None:
    wire.raw(request())
    second = request().replace(b"branch=z9hG4bK-1", b"branch=z9hG4bK-2")
    assert answer(wire, second).status == 482


def test_the_answer_goes_where_the_request_came_from(wire: Wire) -> None:
    wire.bob.agent.receive(request("OPTIONS"), wire.alice.hop, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    assert (out.route.hop.host, out.route.hop.port) == ("192.0.2.1", 5060)
    assert b"received=192.0.2.1" in out.data
    assert b"rport=5060" in out.data


def test_multipart_bodies_are_searched_for_the_offer(wire: Wire) -> None:
    text = "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
    body = f"{text}--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--"
    wire.raw(request(extra="Content-Type: multipart/mixed;boundary=b\r\n", body=body))
    assert wire.bob.of(Invited)[0].body == b"v=0"


def test_a_stranger_cannot_hang_up_a_call(wire: Wire) -> None:
    talking(wire)
    real = next(d for name, d in wire.sent if name == "alice" and d.startswith(b"ACK"))
    forged = real.replace(b"ACK", b"BYE").replace(b";tag=", b";tag=0", 1)
    forged = forged.replace(b"branch=z9hG4bK", b"branch=z9hG4bKx")
    assert answer(wire, forged).status == 481
    assert wire.bob.agent.legs == [wire.bob.leg]


def test_strict_and_loose_routes(wire: Wire) -> None:
    proxies = "Record-Route: <sip:p2.example;lr>, <sip:p1.example>\r\n"
    wire.raw(request(extra=proxies))
    wire.bob.agent.calls.answer(wire.bob.legs[-1], ANSWER, (), wire.now)
    [ok] = [m.data for m in wire.bob.agent.messages_to_send()]
    assert b"Record-Route: <sip:p2.example;lr>, <sip:p1.example>" in ok
    tag = parse_message(ok).to.tag
    ack = request("ACK", to=f";tag={tag}").replace(b"z9hG4bK-1", b"z9hG4bK-ack")
    wire.raw(ack)
    assert len(wire.bob.of(Confirmed)) == 1
    wire.bob.agent.calls.bye(wire.bob.legs[-1], (), wire.now)
    [bye] = wire.bob.agent.messages_to_send()
    message = parse_message(bye.data)
    assert bye.route.hop.host == "p2.example"
    assert message.headers.all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example>"]


def test_an_invite_without_an_offer_gets_ours_and_answers_in_its_ack(wire: Wire) -> None:
    wire.raw(request())
    assert wire.bob.of(Invited)[0].body is None
    wire.bob.agent.calls.answer(wire.bob.leg, b"v=0 our offer", (), wire.now)
    [ok] = [parse_message(m.data) for m in wire.bob.agent.messages_to_send()]
    assert ok.body == b"v=0 our offer"
    kind = "Content-Type: application/sdp\r\n"
    ack = request("ACK", to=f";tag={ok.to.tag}", extra=kind, body="v=0 answer")
    wire.raw(ack.replace(b"z9hG4bK-1", b"z9hG4bK-ack"))
    assert wire.bob.of(Confirmed)[0].body == b"v=0 answer"


@pytest.mark.parametrize("contact", ["<sip:eve@192.0.2.9;transport=ws>", "<tel:+123>"])
def test_a_caller_that_cannot_be_reached_is_refused_and_holds_nothing(
    wire: Wire, contact: str
) -> None:
    data = request().replace(b"<sip:eve@192.0.2.9>\r\nContent", f"{contact}\r\nContent".encode())
    assert answer(wire, data).status == 400
    wire.run(60)
    assert wire.bob.agent.legs == []


def test_hundreds_of_broken_messages_leave_a_call_untouched(wire: Wire) -> None:
    talking(wire)
    leg = wire.bob.leg
    chance = random.Random(7)
    seeds = [request(), request("BYE", to=";tag=1"), request("OPTIONS"), request("CANCEL")]
    seeds += [data for _, data in wire.sent]
    for number in range(600):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 12)):
            at = chance.randrange(len(data))
            match chance.randint(0, 2):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 30)]
                case _:
                    data[at:at] = chance.randbytes(chance.randint(1, 30))
            data = data or bytearray(b"\r\n")
        source = b"call-1" if number % 2 else bytes(str(number), "ascii")
        wire.raw(bytes(data).replace(b"call-1", source))
        wire.raw(bytes(data), to="alice")
    assert wire.alice.leg in wire.alice.agent.legs
    assert leg in wire.bob.agent.legs
    wire.alice.agent.calls.bye(wire.alice.leg, (), wire.now)
    wire.run(1)
    assert leg not in wire.bob.agent.legs
    assert len(wire.alice.of(Answered)) == 1
