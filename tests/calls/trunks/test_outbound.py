"""Where an outgoing call goes, as whom, and with what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.calls.trunks.outbound import OutboundCall, Reach, TrunkDown, Way, outbound_call
from aywa.calls.trunks.trunk import Trunk
from aywa.sip.message import Address, Headers, Uri
from aywa.sip.transport import Hop

from .conftest import Document, hop, phone_number, trunk

CALLED = "+380441234567"
A, B, C = hop("192.0.2.10"), hop("192.0.2.11"), hop("192.0.2.12")
REGISTERED = {
    "authUsername": "alice",
    "authPassword": "x",
    "sipRegisterPlan": {"domain": "reg.example.com"},
}
NUMBER = phone_number("n1", "+4930123456", name='Sales "north"')


def planned(on: Trunk, reach: Reach | None = None, number: Document = NUMBER) -> OutboundCall:
    reach = reach or Reach({0: (A,)})
    return outbound_call(on, number, reach, "198.51.100.1", called=CALLED)


def test_a_gateway_is_called_by_its_own_name_as_the_number() -> None:
    call = planned(trunk())
    assert call.ways == (Way(A, "sip:380441234567@192.0.2.10"),)
    assert call.to_uri == "sip:380441234567@192.0.2.10"
    assert (call.from_uri, call.from_name) == ("sip:4930123456@198.51.100.1", None)
    assert (call.headers, call.routes, call.line) == ((), (), None)
    assert call.contact_user == "4930123456"


def test_plus_tech_prefix_port_and_transport() -> None:
    gateway = {"ip": "sip.example.com", "port": 5070, "outboundProtocol": "tcp"}
    on = trunk(gateways=[gateway], outboundLeadingPlusEnabled=True, techPrefix="77#")
    call = planned(on, Reach({0: (Hop("tcp", "192.0.2.10", 5070),)}))
    assert call.ways[0].request_uri == "sip:77%23+380441234567@sip.example.com:5070;transport=tcp"
    assert call.to_uri == "sip:77%23+380441234567@sip.example.com:5070"
    assert call.from_uri == "sip:+4930123456@198.51.100.1"


def test_the_national_form() -> None:
    on = trunk(sip={"numbers": {"countryCode": "49", "outboundFormat": "national"}})
    call = planned(on)
    assert call.ways[0].request_uri == "sip:00380441234567@192.0.2.10"
    assert call.from_uri == "sip:030123456@198.51.100.1"


def test_gateways_in_order_the_dead_ones_last_and_only_those_for_outbound() -> None:
    gateways = [
        {"ip": "192.0.2.10"},
        {"ip": "192.0.2.11", "outboundEnabled": False},
        {"ip": "192.0.2.12"},
    ]
    reach = Reach({0: (A,), 1: (B,), 2: (C,)})
    assert [way.hop for way in planned(trunk(gateways=gateways), reach).ways] == [A, C]
    sick = Reach({0: (A,), 1: (B,), 2: (C,)}, down=frozenset({A}))
    call = planned(trunk(gateways=gateways), sick)
    assert call.groups() == [
        ("sip:380441234567@192.0.2.12", [C]),
        ("sip:380441234567@192.0.2.10", [A]),
    ]


def test_one_invite_tries_every_target_of_a_name() -> None:
    call = planned(trunk(gateways=[{"ip": "sip.example.com"}]), Reach({0: (A, B)}))
    assert call.groups() == [("sip:380441234567@sip.example.com", [A, B])]


def test_a_registered_trunk_is_called_at_its_domain_with_its_line() -> None:
    on = trunk(outboundAuthenticationPlan=REGISTERED)
    call = planned(on, Reach({0: (A, B)}, line="token"))
    assert call.groups() == [("sip:380441234567@reg.example.com", [A, B])]
    assert call.from_uri == "sip:4930123456@reg.example.com"
    assert (call.line, call.contact_user) == ("token", "alice")


def test_a_registered_trunk_without_a_gateway_for_it_goes_to_its_registrar() -> None:
    gateways = [{"ip": "192.0.2.10", "outboundEnabled": False}]
    on = trunk(gateways=gateways, outboundAuthenticationPlan=REGISTERED)
    call = planned(on, Reach({0: (A,)}, front=(B,)))
    assert call.groups() == [("sip:380441234567@reg.example.com", [B])]


def test_the_service_route_goes_before_the_proxy_and_the_proxy_before_the_gateways() -> None:
    on = trunk(outboundAuthenticationPlan=REGISTERED, sip={"outboundProxy": "proxy.example.com"})
    call = planned(on, Reach({0: (A,)}, front=(C,)))
    assert call.routes == ("<sip:proxy.example.com;lr>",)
    assert [way.hop for way in call.ways] == [C]
    routed = Reach({0: (A,)}, front=(C,), service_routes=("<sip:edge;lr>", "<sip:core;lr>"))
    assert planned(on, routed).routes == ("<sip:edge;lr>", "<sip:core;lr>")


def test_caller_id_templates() -> None:
    caller = {
        "fromUser": "{{account}}",
        "fromName": "{{name}}",
        "fromHost": "sip.example.net",
        "assertedIdentity": "{{number}}",
        "contactUser": "c-{{account}}",
    }
    on = trunk(outboundAuthenticationPlan=REGISTERED, sip={"callerId": caller})
    call = planned(on)
    assert call.from_uri == "sip:alice@sip.example.net"
    assert call.from_name == 'Sales "north"'
    identity = '"Sales \\"north\\"" <sip:4930123456@sip.example.net>'
    assert call.headers == (("P-Asserted-Identity", identity),)
    assert call.contact_user == "c-alice"


@pytest.mark.parametrize("name", ["tel:911", "<sip:boss@x>", "a@b", "sip:"])
def test_a_name_that_looks_like_a_uri_is_none(name: str) -> None:
    on = trunk(sip={"callerId": {"assertedIdentity": "{{name}}"}})
    value = dict(planned(on, number=phone_number("n", "+4930123456", name=name)).headers)
    uri = Address.parse(value["P-Asserted-Identity"]).uri
    assert (uri.scheme, uri.host) == ("sip", "198.51.100.1")


def test_who_wants_privacy_is_told_to_the_network_alone() -> None:
    call = planned(trunk(sip={"callerId": {"privacyEnabled": True}}))
    assert (call.from_uri, call.from_name) == ("sip:anonymous@anonymous.invalid", "Anonymous")
    assert call.headers == (
        ("P-Asserted-Identity", "<sip:4930123456@198.51.100.1>"),
        ("Privacy", "id"),
    )


@pytest.mark.parametrize(
    ("diversion", "value"),
    [
        ("+4930999", "<sip:+4930999@198.51.100.1>;reason=unconditional"),
        ("tel:+4930999", "<tel:+4930999>;reason=unconditional"),
        ("<sip:+4930999@x>;reason=no-answer", "<sip:+4930999@x>;reason=no-answer"),
        ("{{number}}", "<sip:4930123456@198.51.100.1>;reason=unconditional"),
    ],
)
def test_diversion(diversion: str, value: str) -> None:
    assert planned(trunk(sipDiversionHeader=diversion)).headers == (("Diversion", value),)


def test_a_gateway_for_srtp_wants_encryption() -> None:
    on = trunk(gateways=[{"ip": "192.0.2.10", "outboundProtocol": "tls/srtp"}])
    call = planned(on, Reach({0: (Hop("tls", "192.0.2.10", 5061),)}))
    assert call.media.encryption == "required"
    assert call.ways[0].request_uri.endswith(";transport=tls")


def test_a_uri_goes_to_the_gateway_it_names() -> None:
    on = trunk(gateways=[{"ip": "192.0.2.10"}, {"ip": "192.0.2.11"}])
    call = outbound_call(on, NUMBER, Reach({0: (A,), 1: (B,)}), "h", uri="sip:204@192.0.2.11?a=b")
    assert call.ways == (Way(B, "sip:204@192.0.2.11"),)


def test_a_trunk_that_cannot_be_reached_says_so() -> None:
    with pytest.raises(TrunkDown, match="outboundEnabled"):
        planned(trunk(), Reach({0: ()}))
    with pytest.raises(TrunkDown, match="not registered: 403 Forbidden"):
        planned(trunk(), Reach({0: (A,)}, held="403 Forbidden"))


TEXT = st.text(st.characters(), max_size=100)  # surrogates too: JSON can carry them


@given(TEXT, TEXT)
def test_no_name_or_number_breaks_out_of_its_header(name: str, prefix: str) -> None:
    caller = {"fromName": "{{name}}", "assertedIdentity": "{{name}}", "fromUser": "{{name}}"}
    on = trunk(techPrefix=prefix, sip={"callerId": caller})
    number = phone_number("n1", "+4930123456", name=name)
    call = planned(on, number=number)
    Uri.parse(call.from_uri)
    Uri.parse(call.ways[0].request_uri)
    fields = Headers(call.headers)
    for value in fields.all("P-Asserted-Identity"):
        Address.parse(value)
    fields.add("From", str(Address(Uri.parse(call.from_uri), call.from_name)))
    for value in fields.all("From"):
        Address.parse(value)
