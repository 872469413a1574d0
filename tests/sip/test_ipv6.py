"""IPv6 in SIP: twelve messages after the rules of RFC 5118 §4, and where their answers go."""

import pytest

from aywa.sip.events import Invited
from aywa.sip.message import Request, Response, SipParseError, parse_message
from aywa.sip.transport import Hop

from .conftest import Wire

HERE = Hop("udp", "2001:db8::9", 5060)

SDP6 = (
    "v=0\r\no=u 1 1 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n"
    "m=audio 42000 RTP/AVP 0\r\n"
)
SDP_BOTH = (
    "v=0\r\no=u 1 1 IN IP6 2001:db8::20\r\ns=-\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
    "c=IN IP6 2001:db8::1\r\nm=audio 6002 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
)


def message(
    method: str = "OPTIONS",
    uri: str = "sip:user@[2001:db8::10]",
    via: str = "SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK-1",
    contact: str = "<sip:caller@[2001:db8::9]>",
    body: str = "",
) -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nTo: <sip:user@example.com>\r\n"
        f"From: <sip:caller@example.net>;tag=81x2\r\nCall-ID: 6b@[2001:db8::9]\r\n"
        f"Max-Forwards: 70\r\nCSeq: 1 {method}\r\nContact: {contact}\r\n{kind}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


BRANCH = ";branch=z9hG4bK-1"
CASES = {
    "4.1 good": (message(), 200),
    "4.2 no brackets": (message(uri="sip:2001:db8::10"), 400),
    "4.3 port inside the brackets": (message(uri="sip:[2001:db8::10:5070]"), 200),
    "4.4 port outside the brackets": (message(uri="sip:[2001:db8::10]:5070"), 200),
    "4.5 received in brackets": (
        message(via=f"SIP/2.0/UDP [2001:db8::9]:5060;received=[2001:db8::9:255]{BRANCH}"),
        200,
    ),
    "4.5 received without brackets": (
        message(via=f"SIP/2.0/UDP [2001:db8::9]:5060;received=2001:db8::9:255{BRANCH}"),
        200,
    ),
    "4.6 in SDP": (message("INVITE", body=SDP6), 100),
    "4.7 both in Via": (
        message(
            via=f"SIP/2.0/UDP [2001:db8::9]:6050{BRANCH}\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKas3, SIP/2.0/UDP [2001:db8::9];received="
            "[2001:db8::5]"
        ),
        200,
    ),
    "4.8 both in SDP": (message("INVITE", body=SDP_BOTH), 100),
    "4.9 mapped IPv4": (
        message("INVITE", contact="<sip:caller@[::ffff:192.0.2.10]:5080>", body=SDP6),
        100,
    ),
    "4.10 three colons of the old grammar": (message(uri="sip:user@[2001:db8:::192.0.2.1]"), 200),
    "4.10 two colons of the new grammar": (message(uri="sip:user@[2001:db8::192.0.2.1]"), 200),
}


@pytest.mark.parametrize("name", CASES)
def test_rfc_5118(wire: Wire, name: str) -> None:
    data, status = CASES[name]
    wire.bob.agent.receive(data, HERE, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    response = parse_message(out.data)
    assert isinstance(response, Response)
    assert response.status == status
    assert (out.route.hop.host, out.route.hop.port) == ("2001:db8::9", 5060)


def test_there_are_twelve() -> None:
    assert len(CASES) == 12


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("4.1 good", "[2001:db8::10]", None),
        ("4.3 port inside the brackets", "[2001:db8::10:5070]", None),
        ("4.4 port outside the brackets", "[2001:db8::10]", 5070),
    ],
)
def test_what_is_port_and_what_is_address(name: str, host: str, port: int | None) -> None:
    read = parse_message(CASES[name][0])
    assert isinstance(read, Request)
    assert (read.uri.host, read.uri.port) == (host, port)


def test_the_sender_is_recorded_without_brackets(wire: Wire) -> None:
    for via in ("[2001:db8::9]:5060", "[2001:DB8::9]:5060"):
        data = message(via=f"SIP/2.0/UDP {via}{BRANCH}")
        wire.bob.agent.receive(data, HERE, wire.now)
        [out] = wire.bob.agent.messages_to_send()
        assert b"received" not in out.data
    data = message(via=f"SIP/2.0/UDP [2001:db8::77]:5060;rport{BRANCH}")
    wire.bob.agent.receive(data, HERE, wire.now)
    [out] = wire.bob.agent.messages_to_send()
    assert b";rport=5060;branch=z9hG4bK-1;received=2001:db8::9\r\n" in out.data


def test_the_dialog_goes_on_to_the_contact(wire: Wire) -> None:
    wire.bob.agent.receive(CASES["4.9 mapped IPv4"][0], HERE, wire.now)
    wire.pump()
    leg = wire.bob.of(Invited)[0].leg
    wire.bob.agent.calls.answer(leg, b"v=0", (), wire.now)
    [out] = wire.bob.agent.messages_to_send()
    tag = parse_message(out.data).to.tag
    ack = message("ACK").replace(
        b"To: <sip:user@example.com>", b"To: <sip:u@h>;tag=%s" % tag.encode()
    )
    wire.bob.agent.receive(ack.replace(b"z9hG4bK-1", b"z9hG4bK-2"), HERE, wire.now)
    wire.bob.agent.calls.bye(leg, (), wire.now)
    [bye] = wire.bob.agent.messages_to_send()
    assert (bye.route.hop.host, bye.route.hop.port) == ("::ffff:192.0.2.10", 5080)


@pytest.mark.parametrize("text", ["sip:[]", "sip:[2001:db8::1", "sip:u@[g::1]", "sip:[::1]x"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(SipParseError):
        message_ = parse_message(message(uri=text))
        message_.check()
