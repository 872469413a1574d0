"""Whatever a peer writes into the headers of an extension is survived, and leaves nothing."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.sip import SipParseError
from aywa.sip.events import Answered, Ended, Invited, Referred
from aywa.sip.message import Request, parse_message

from .conftest import ANSWER, OFFER, Wire
from .test_in_dialog import SDP, Caller
from .test_requests import request
from .test_routes import accept, invited

NAMES = [
    "Session-Expires", "Min-SE", "RAck", "RSeq", "Require", "Supported", "Replaces", "Refer-To",
    "Refer-Sub", "Referred-By", "Event", "Subscription-State", "Content-Type", "Allow", "Contact",
    "Retry-After", "Date", "Accept", "Authorization", "Record-Route",
]  # fmt: skip
PIECES = [
    "100rel", "timer", "replaces", "refer", "terminated", "active", "uac", "uas", ";", "=", ",",
    "<", ">", '"', "sip:a@b", "?Replaces=", "%3B", "%", "to-tag", "from-tag", "id", "expires", "1",
    "90", "4294967295", "99999999999999999999", "-1", " ", "INVITE", "message/sipfrag",
    "application/sdp", "é", "early-only", "refresher",
]  # fmt: skip

values = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n"), max_size=30
)
headers = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4).map(
    lambda pairs: "".join(f"{name}: {value}\r\n" for name, value in pairs)
)
methods = st.sampled_from(
    ["INVITE", "UPDATE", "PRACK", "INFO", "MESSAGE", "REFER", "NOTIFY", "OPTIONS", "SUBSCRIBE"]
)
bodies = st.sampled_from(["", "v=0", "SIP/2.0 200 OK", "SIP/2.0 1"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(methods, headers, bodies), min_size=1, max_size=6))
def test_requests_within_a_call(said: list[tuple[str, str, str]]) -> None:
    eve = Caller(Wire()).answered()
    agent = eve.wire.bob.agent
    agent.transfers.refer(eve.agent_leg, "sip:carol@192.0.2.3", eve.wire.now)
    for method, extra, body in said:
        for out in eve.say(method, extra=extra, body=body):
            parse_message(out)
        for event in eve.wire.bob.of(Referred):
            agent.transfers.accept(event.leg, event.referral, eve.wire.now)
    eve.wire.run(5)
    eve.say("BYE")
    eve.wire.run(250)
    assert agent.legs == []
    assert agent.next_timer() is None
    assert len(agent._layer) == 0


@settings(max_examples=60, deadline=None)
@given(headers, bodies)
def test_an_invite(extra: str, body: str) -> None:
    wire = Wire()
    wire.raw(request(extra=extra + SDP, body=body))
    for event in wire.bob.of(Invited):
        wire.bob.agent.calls.ring(event.leg, 183, wire.now, ANSWER)
        wire.bob.agent.calls.answer(event.leg, ANSWER, (), wire.now)
    wire.run(100)
    assert wire.bob.agent.legs == []
    wire.run(100)
    assert wire.bob.agent.next_timer() is None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([180, 183, 200, 302, 401, 422, 491, 500]), headers, bodies)
def test_a_response_to_our_invite(status: int, extra: str, body: str) -> None:
    wire = Wire()
    invite = invited(wire)
    response = accept(invite, [])
    response.status, response.body = status, body.encode()
    data = bytes(response).replace(b"Contact:", extra.encode() + b"Contact:")
    for tag in (b"tag=t", b"tag=u"):
        wire.raw(data.replace(b"tag=t", tag), to="alice")
    wire.run(40)
    wire.alice.agent.close(wire.now)
    wire.run(200)
    assert wire.alice.agent.legs == []
    assert wire.alice.agent.next_timer() is None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([200, 202, 405, 422, 491, 500]), headers)
def test_a_response_to_our_offer(status: int, extra: str) -> None:
    eve = Caller(Wire()).answered()
    agent = eve.wire.bob.agent
    agent.calls.offer(eve.agent_leg, OFFER, eve.wire.now)
    for _ in range(4):
        for out in agent.messages_to_send():
            ours = parse_message(out.data)
            if isinstance(ours, Request) and ours.method == "INVITE":
                answer = bytes(ours.response(status))
                eve.wire.raw(answer.replace(b"CSeq:", extra.encode() + b"CSeq:"))
        eve.wire.now += 4
        agent.handle_timer(eve.wire.now)
    assert len(eve.wire.bob.of(Ended)) <= 1
    agent.close(eve.wire.now)
    eve.wire.run(200)
    assert agent.next_timer() is None
    assert eve.wire.alice.of(Answered) == []


@given(values)
def test_transfers_to_anywhere(target: str) -> None:
    eve = Caller(Wire()).answered()
    with contextlib.suppress(SipParseError):
        eve.wire.bob.agent.transfers.refer(eve.agent_leg, target, eve.wire.now)
    for out in eve.wire.bob.agent.messages_to_send():
        parse_message(out.data).check()
