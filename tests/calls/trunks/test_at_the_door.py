"""The directory as the doorkeeper of a real user agent: what is answered, and to whom."""

import pytest

from aywa.base.ids import SeededEntropy
from aywa.calls.trunks.directory import Directory
from aywa.sip import UserAgent, UserAgentSettings
from aywa.sip.digest import Authenticator, Credentials
from aywa.sip.events import Invited
from aywa.sip.message import Request, Response, parse_message
from aywa.sip.transport import Hop

from .conftest import hop, phone_number, request, trunk

CALL = "sip:+4930123456@192.0.2.1"
STRANGER = hop("203.0.113.66")


def agent() -> UserAgent:
    account = {"inboundAuthenticationPlan": {"username": "carrier", "password": "pw"}}
    directory = Directory(b"secret", realm="runtime")
    directory.rebuild(
        [trunk(), trunk("proving", gateways=[{"ip": "192.0.2.20"}], sip=account)],
        [
            phone_number("n1", "+4930123456"),
            phone_number("n2", "+4930777777", credentialId="proving"),
        ],
    )
    return UserAgent(UserAgentSettings("192.0.2.1"), SeededEntropy(1), doorkeeper=directory)


def answers(to: UserAgent, asked: Request, source: Hop) -> list[int]:
    to.receive(bytes(asked), source, 1.0)
    sent = [parse_message(one.data) for one in to.messages_to_send()]
    return [one.status for one in sent if isinstance(one, Response)]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "SUBSCRIBE"])
def test_a_scanner_hears_nothing(method: str) -> None:
    ours = agent()
    assert answers(ours, request("sip:100@192.0.2.1", method), STRANGER) == []
    refusal = ours.counters.refusals[-1]
    assert refusal.status == 0
    assert "203.0.113.66" in refusal.why


def test_a_gateway_is_served() -> None:
    ours = agent()
    assert answers(ours, request("sip:192.0.2.1", "OPTIONS"), hop("192.0.2.10")) == [200]
    assert answers(ours, request(CALL), hop("192.0.2.10")) == [100]
    (event,) = ours.events()
    assert isinstance(event, Invited) and event.party == "trunk-1"
    unknown = request("sip:+4940999999@192.0.2.1")
    unknown.headers.replace_first_item("Call-ID", "2")
    unknown.headers.replace_first_item("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2")
    assert answers(ours, unknown, hop("192.0.2.10")) == [404]


def test_a_carrier_that_proves_itself_is_let_in_from_anywhere() -> None:
    ours = agent()
    target = "sip:+4930777777@192.0.2.1"
    ours.receive(bytes(request(target)), STRANGER, 1.0)
    (sent,) = ours.messages_to_send()
    challenge = parse_message(sent.data)
    assert isinstance(challenge, Response) and challenge.status == 401
    carrier = Authenticator(Credentials("carrier", "pw"), SeededEntropy(2))
    assert carrier.learn(challenge)
    again = request(target)
    again.headers.replace_first_item("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK3")
    carrier.authorize(again)
    assert answers(ours, again, STRANGER) == [100]
    (event,) = ours.events()
    assert isinstance(event, Invited) and event.party == "proving"
