"""Reading stored trunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.api.schemas.credential import Credential
from aywa.calls.trunks.trunk import TrunkError, filled, line_token, read_trunk

from .conftest import Document, credential, trunk

FULL = credential(
    gateways=[
        {"ip": "192.0.2.0", "netmask": 28, "port": 5070, "outboundProtocol": "tcp"},
        {"ip": "SIP.Example.com", "inboundEnabled": False, "optionsPingEnabled": True},
        {"ip": "2001:db8::1", "outboundProtocol": "tls/srtp", "outboundEnabled": False},
    ],
    outboundAuthenticationPlan={
        "authUsername": "alice",
        "authPassword": "very secret",
        "sipRegisterPlan": {"domain": "reg.example.com", "realm": "example"},
    },
    outboundLeadingPlusEnabled=True,
    techPrefix="77#",
    sipDiversionHeader="+4930999",
    sip={
        "outboundProxy": "proxy.example.com:5080",
        "inboundAuthenticationPlan": {"username": "carrier", "password": "also secret"},
        "callerId": {"fromUser": "{{account}}", "privacyEnabled": True},
        "numbers": {"countryCode": "+49", "outboundFormat": "national"},
        "destinations": {"allow": ["+49", "380"], "deny": ["4932"]},
        "limits": {"callsPerSecond": 2.5, "concurrentCalls": 3.0, "minutesPerDay": 60.0},
        "codecs": ["g722", "pcma"],
        "mediaEncryption": "optional",
        "mediaKeying": "dtls",
        "ptimeMs": 30,
        "dtmf": "info",
        "comfortNoiseEnabled": True,
        "sessionTimerSeconds": 600.0,
        "registerExpiresSeconds": 120.0,
    },
)


def test_every_field_of_the_contract_is_read() -> None:
    Credential.model_validate(
        {k: v for k, v in FULL.items() if k not in ("id", "orgId", "createdAt")}
    )
    read = read_trunk(FULL)
    first, second, third = read.gateways
    assert (str(first.network), first.port, first.transport) == ("192.0.2.0/28", 5070, "tcp")
    assert (second.host, second.network, second.transport) == ("sip.example.com", None, None)
    assert (second.inbound, second.ping, second.outbound) == (False, True, True)
    assert (third.transport, third.srtp, third.outbound) == ("tls", True, False)
    assert third.default_port == 5061
    assert str(third.uri) == "sip:[2001:db8::1]"
    assert read.account and (read.account.username, read.account.realm) == ("alice", "example")
    assert read.register and read.register.domain == "reg.example.com"
    assert (read.register.username, read.register.expires_s) == ("alice", 120)
    assert str(read.proxy) == "sip:proxy.example.com:5080"
    assert (read.plan.country_code, read.number_format) == ("49", "national")
    assert (read.allowed, read.denied) == (("49", "380"), ("4932",))
    assert (read.limits.calls_per_second, read.limits.concurrent_calls) == (2.5, 3)
    assert read.limits.minutes_per_day == 60
    media = read.media
    assert (media.codecs, media.encryption, media.ptime_ms) == (("g722", "pcma"), "optional", 30)
    assert media.keying == "dtls"
    assert (media.dtmf, media.comfort_noise, read.session_s) == ("info", True, 600)
    assert (read.leading_plus, read.tech_prefix, read.diversion) == (True, "77#", "+4930999")
    assert read.caller_id.privacy and read.caller_id.from_user == "{{account}}"


def test_a_trunk_of_one_address_has_the_usual_settings() -> None:
    read = trunk()
    assert str(read.gateways[0].network) == "192.0.2.10/32"
    assert (read.gateways[0].transport, read.gateways[0].default_port) == ("udp", 5060)
    assert read.media.codecs == ("pcma", "pcmu")
    assert (read.plan.national_prefix, read.plan.international_prefix) == ("0", "00")
    assert (read.register, read.account, read.allowed) == (None, None, ())


def test_null_is_absent() -> None:
    names = ("sip", "outboundAuthenticationPlan", "techPrefix", "sipDiversionHeader", "name")
    assert read_trunk(credential() | dict.fromkeys(names)).name == ""


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(read_trunk(FULL))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gateways": []}, "at least one gateway"),
        ({"sip": {"numbers": {"countryCode": "DE"}}}, "countryCode"),
        ({"sip": {"callerId": {"fromUser": "{{colour}}"}}}, "colour"),
        ({"sip": {"outboundProxy": "two words"}}, "outboundProxy"),
        ({"gateways": [{"ip": "192.0.2.1", "outboundProtocol": "sctp"}]}, "cannot be read"),
        ({"outboundAuthenticationPlan": {"sipRegisterPlan": {}}}, "authUsername"),
    ],
)
def test_a_trunk_that_cannot_be_used_says_why(fields: Document, said: str) -> None:
    with pytest.raises(TrunkError, match=said):
        read_trunk(credential(**fields))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(["gateways", "sip", "outboundAuthenticationPlan", "techPrefix", "name"]), JSON
)
def test_a_stored_trunk_is_read_or_refused(field: str, value: object) -> None:
    try:
        assert read_trunk(credential() | {field: value}).gateways
    except TrunkError as error:
        assert str(error)


def test_line_tokens_are_stable_secret_and_different() -> None:
    one = line_token(b"secret", "trunk-1")
    assert one == line_token(b"secret", "trunk-1")
    assert len({one, line_token(b"secret", "trunk-2"), line_token(b"other", "trunk-1")}) == 3
    assert len(one) == 32


def test_a_template_is_filled_once() -> None:
    values = {"number": "{{name}}", "name": "x"}
    assert filled("a{{ number }}b{{gone}}c", values) == "a{{name}}bc"
