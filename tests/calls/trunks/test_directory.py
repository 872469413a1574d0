"""Who may call in: line token, source, digest, open users, trusted networks; else silence."""

from ipaddress import ip_network
from time import perf_counter

import pytest

from aywa.calls.trunks.directory import TRUSTED_PARTY, Directory, RefusedRequest
from aywa.calls.trunks.matching import Sources
from aywa.calls.trunks.trunk import Trunk
from aywa.sip.doorkeeper import Account, Admitted, Challenged, Ignored, Turned, Verdict
from aywa.sip.events import Invited
from aywa.sip.message import Request

from .conftest import Document, hop, phone_number, request, trunk

NUMBER = "+4930123456"
CALL = f"sip:{NUMBER}@192.0.2.1"
STRANGER = hop("203.0.113.66")
REGISTERED = {
    "authUsername": "alice",
    "authPassword": "x",
    "sipRegisterPlan": {"domain": "reg.example.com"},
}


def directory(
    trunks: list[Trunk], numbers: list[Document], **kwargs: object
) -> tuple[Directory, list[RefusedRequest]]:
    made = Directory(b"secret", **kwargs)  # type: ignore[arg-type]  # passed on as they come
    made.rebuild(trunks, numbers)
    refused: list[RefusedRequest] = []
    made.on_refused = refused.append
    return made, refused


def invited(asked: Request, verdict: Verdict) -> Invited:
    """What the user agent makes of a request that was let in."""
    assert isinstance(verdict, Admitted | Challenged)
    return Invited(
        leg="1",
        call_id="1",
        request_uri=asked.target,
        from_uri="sip:caller@example.com",
        from_name=None,
        to_uri=str(asked.to.uri),
        source=("192.0.2.10", 5060),
        transport="udp",
        headers=tuple(asked.headers),
        body=None,
        party=verdict.party,
    )


def test_a_gateway_calls_a_number_of_its_trunk() -> None:
    door, _ = directory([trunk()], [phone_number("n1", NUMBER)])
    for user in (NUMBER, "4930123456", "%2B4930123456"):
        asked = request(f"sip:{user}@192.0.2.1")
        verdict = door.judge(asked, hop("192.0.2.10", 40_000))
        assert verdict == Admitted("trunk-1")
        called = door.called(invited(asked, verdict))
        assert called and called.number["id"] == "n1"
        assert called.trunk and called.trunk.id == "trunk-1"


def test_a_number_may_be_called_as_it_is_dialled_at_home() -> None:
    german = trunk(sip={"numbers": {"countryCode": "49"}})
    door, _ = directory([german], [phone_number("n1", NUMBER), phone_number("n2", "sales")])
    for user in ("030123456", "004930123456", "sales"):
        assert door.judge(request(f"sip:{user}@192.0.2.1"), hop("192.0.2.10")) == Admitted(
            "trunk-1"
        )


def test_an_unknown_number_of_a_known_trunk_is_404_and_written_down() -> None:
    door, refused = directory([trunk()], [phone_number("n1", NUMBER)])
    verdict = door.judge(request("sip:+4940111111@192.0.2.1"), hop("192.0.2.10"))
    assert isinstance(verdict, Turned)
    assert (verdict.status, verdict.party) == (404, "trunk-1")
    assert (refused[0].trunk_id, refused[0].status, refused[0].called) == (
        "trunk-1",
        404,
        "+4940111111",
    )


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE"])
@pytest.mark.parametrize("target", ["sip:100@192.0.2.1", CALL, "sip:192.0.2.1", "tel:+4930123456"])
def test_a_stranger_gets_not_a_byte(method: str, target: str) -> None:
    door, refused = directory([trunk()], [phone_number("n1", NUMBER)])
    to = "sip:x@192.0.2.1"
    verdict = door.judge(request(target, method, to), STRANGER)
    assert isinstance(verdict, Ignored)
    assert "203.0.113.66:5060 over udp" in verdict.why
    assert refused[0].status == 0
    assert not door.knows(STRANGER)
    assert door.knows(hop("192.0.2.10", 1))


def test_the_nearest_match_is_named() -> None:
    near = trunk("near", gateways=[{"ip": "203.0.113.64"}])
    closed = trunk("closed", gateways=[{"ip": "198.51.100.1", "inboundEnabled": False}])
    secure = trunk("secure", gateways=[{"ip": "198.51.100.2", "outboundProtocol": "tls"}])
    door, refused = directory(
        [near, closed, secure], [phone_number("n1", NUMBER, credentialId="closed")]
    )
    cases = [
        (hop("203.0.113.66"), "sip:1@192.0.2.1", "the nearest is 203.0.113.64/32 of trunk 'near'"),
        (hop("198.51.100.1"), "sip:1@192.0.2.1", "inboundEnabled false"),
        (hop("198.51.100.2"), "sip:1@192.0.2.1", "must come over tls"),
        (STRANGER, CALL, "calls +4930123456 of trunk 'closed' (closed), whose gateways are 198.51"),
        (STRANGER, "sip:1@192.0.2.1;line=abc", "line token"),
    ]
    for source, target, said in cases:
        verdict = door.judge(request(target), source)
        assert isinstance(verdict, Ignored)
        assert said in verdict.why
    assert [one.trunk_id for one in refused] == [None, "closed", "secure", "closed", None]
    assert door.judge(
        request("sip:1@x", "OPTIONS"), hop("198.51.100.2", transport="tls")
    ) == Admitted("secure")


def test_a_network_holds_many_addresses_and_ipv6_is_one_too() -> None:
    wide = trunk(
        "wide",
        gateways=[{"ip": "198.51.100.7", "netmask": 24}, {"ip": "2001:db8::", "netmask": 64}],
    )
    narrow = trunk("narrow", gateways=[{"ip": "198.51.100.9"}])
    door, _ = directory([wide, narrow], [])
    ping = request("sip:192.0.2.1", "OPTIONS")
    assert door.judge(ping, hop("198.51.100.200")) == Admitted("wide")
    assert door.judge(ping, hop("198.51.100.9")) == Admitted("narrow")
    assert door.judge(ping, hop("2001:db8::5")) == Admitted("wide")
    assert door.judge(ping, hop("::ffff:198.51.100.9")) == Admitted("narrow")
    assert isinstance(door.judge(ping, hop("198.51.101.1")), Ignored)
    assert isinstance(door.judge(ping, hop("2001:db8:0:1::5")), Ignored)


def test_the_line_token_counts_from_any_address() -> None:
    door, _ = directory(
        [trunk(outboundAuthenticationPlan=REGISTERED), trunk("other")],
        [phone_number("n1", NUMBER)],
    )
    contact = f"sip:alice@192.0.2.1;line={door.line('trunk-1')}"
    asked = request(contact, to=f"sip:{NUMBER}@reg.example.com")
    verdict = door.judge(asked, STRANGER)
    assert verdict == Admitted("trunk-1")
    called = door.called(invited(asked, verdict))
    assert called and called.number["id"] == "n1"
    assert isinstance(door.judge(request(contact[:-1] + "z"), STRANGER), Ignored)
    unregistered = f"sip:alice@192.0.2.1;line={door.line('other')}"
    assert isinstance(door.judge(request(unregistered), STRANGER), Ignored)


def test_a_call_to_the_account_rings_the_only_number() -> None:
    own = trunk(outboundAuthenticationPlan=REGISTERED)
    door, _ = directory([own], [phone_number("n1", NUMBER)])
    asked = request(f"sip:alice@192.0.2.1;line={door.line('trunk-1')}")
    assert door.judge(asked, STRANGER) == Admitted("trunk-1")
    two = [phone_number("n1", NUMBER), phone_number("n2", "+4930777777")]
    door.rebuild([own], two)
    assert isinstance(door.judge(asked, STRANGER), Turned)


def test_called_party_id_names_the_number_where_the_request_uri_does_not() -> None:
    own = trunk(outboundAuthenticationPlan=REGISTERED)
    door, _ = directory([own], [phone_number("n1", NUMBER), phone_number("n2", "+4930777777")])
    target = f"sip:alice@192.0.2.1;line={door.line('trunk-1')}"
    asked = request(target, P_Called_Party_ID="<sip:+4930777777@x>")
    verdict = door.judge(asked, STRANGER)
    called = door.called(invited(asked, verdict))
    assert called and called.number["id"] == "n2"


def test_trunks_that_share_an_address_are_told_apart() -> None:
    mine, theirs = trunk("mine"), trunk("theirs", orgId="org-2", createdAt="2026-02-01")
    numbers = [
        phone_number("m1", NUMBER, credentialId="mine"),
        phone_number("t1", "+4930777777", credentialId="theirs", orgId="org-2"),
        phone_number("t2", NUMBER, credentialId="theirs", orgId="org-2", createdAt="2026-03-01"),
    ]
    door, _ = directory([mine, theirs], numbers)
    gateway = hop("192.0.2.10")
    assert door.judge(request("sip:+4930777777@192.0.2.1"), gateway) == Admitted("theirs")
    assert door.judge(request(CALL), gateway) == Admitted("mine")  # had the number first
    named = request(f"sip:{NUMBER}@theirs.sip.example.com")
    verdict = door.judge(named, gateway)
    assert verdict == Admitted("theirs")
    called = door.called(invited(named, verdict))
    assert called and called.number["id"] == "t2"


def test_a_number_of_another_organisation_is_not_on_the_trunk() -> None:
    foreign = phone_number("f1", NUMBER, orgId="org-2")  # names our trunk, but is not ours
    door, _ = directory([trunk()], [foreign])
    assert isinstance(door.judge(request(CALL), hop("192.0.2.10")), Turned)
    assert door.trunk_of(foreign) is None


def test_resolved_names_are_sources_and_survive_a_rebuild() -> None:
    named = trunk(gateways=[{"ip": "sip.example.com"}], outboundAuthenticationPlan=REGISTERED)
    door, _ = directory([named], [phone_number("n1", NUMBER)])
    assert isinstance(door.judge(request(CALL), hop("198.51.100.4")), Ignored)
    door.resolved(
        {"trunk-1": {0: ["198.51.100.4"], -1: ["198.51.100.5"]}, "gone": {0: ["1.2.3.4"]}}
    )
    for _ in range(2):
        assert door.judge(request(CALL), hop("198.51.100.4")) == Admitted("trunk-1")
        assert door.judge(request(CALL), hop("198.51.100.5")) == Admitted("trunk-1")
        door.rebuild([named], [phone_number("n1", NUMBER)])
    assert not door.knows(hop("1.2.3.4"))


def proof(username: str) -> str:
    return f'Digest username="{username}", realm="aywa", nonce="n", uri="sip:x", response="0"'


def test_a_trunk_with_an_account_is_challenged_from_anywhere() -> None:
    account = {"inboundAuthenticationPlan": {"username": "carrier", "password": "pw", "realm": "r"}}
    door, _ = directory([trunk(sip=account)], [phone_number("n1", NUMBER)])
    verdict = door.judge(request(CALL), STRANGER)
    assert isinstance(verdict, Challenged)
    assert (verdict.realm, verdict.party) == ("r", "trunk-1")
    assert verdict.account_of("carrier") == Account("carrier", "pw")
    assert verdict.account_of("somebody") is None
    again = door.judge(request(CALL, Authorization=proof("carrier")), STRANGER)
    assert isinstance(again, Challenged) and again.party == "trunk-1"
    assert isinstance(door.judge(request(CALL, "OPTIONS"), STRANGER), Ignored)
    assert isinstance(door.judge(request("sip:9@x"), STRANGER), Ignored)
    assert isinstance(door.judge(request("sip:9@trunk-1.example.com"), STRANGER), Challenged)
    options = request("sip:x", "OPTIONS", Authorization=proof("carrier"))
    assert isinstance(door.judge(options, STRANGER), Challenged)
    assert isinstance(door.judge(request(CALL, "OPTIONS", Authorization="???"), STRANGER), Ignored)


def test_accounts_of_one_name_are_told_apart_by_the_number() -> None:
    def with_password(trunk_id: str, password: str, org: str) -> Trunk:
        plan = {"username": "carrier", "password": password}
        return trunk(trunk_id, orgId=org, sip={"inboundAuthenticationPlan": plan})

    trunks = [with_password("a", "one", "org-1"), with_password("b", "two", "org-2")]
    numbers = [
        phone_number("n1", NUMBER, credentialId="a"),
        phone_number("n2", "+4930777777", credentialId="b", orgId="org-2"),
    ]
    door, _ = directory(trunks, numbers)
    asked = request("sip:+4930777777@x", Authorization=proof("carrier"))
    verdict = door.judge(asked, STRANGER)
    assert isinstance(verdict, Challenged) and verdict.party == "b"
    assert verdict.account_of("carrier") == Account("carrier", "two")


def sip_user(number_id: str, user: str, **fields: object) -> Document:
    uri = f"sip:{user}@example.com"
    return phone_number(number_id, None, provider="vapi", credentialId=None, sipUri=uri, **fields)


def test_a_sip_user_is_open_or_asks_for_its_password() -> None:
    guarded = sip_user("g", "guarded", authentication={"username": "u", "password": "p"})
    door, _ = directory([trunk()], [sip_user("o", "open"), guarded])
    asked = request("sip:open@192.0.2.1")
    verdict = door.judge(asked, STRANGER)
    assert verdict == Admitted(None)
    called = door.called(invited(asked, verdict))
    assert called and called.number["id"] == "o" and called.trunk is None
    verdict = door.judge(request("sip:guarded@192.0.2.1"), STRANGER)
    assert isinstance(verdict, Challenged)
    assert verdict.account_of("u") == Account("u", "p") and verdict.party is None
    assert isinstance(door.judge(request("sip:open@192.0.2.1", "OPTIONS"), STRANGER), Ignored)


def test_a_gateway_may_call_an_open_user_as_anyone_may() -> None:
    door, _ = directory([trunk()], [sip_user("o", "open"), phone_number("n1", NUMBER)])
    assert door.judge(request("sip:open@192.0.2.1"), hop("192.0.2.10")) == Admitted(None)
    assert door.judge(request("sip:open@192.0.2.1", "OPTIONS"), hop("192.0.2.10")) == Admitted(
        "trunk-1"
    )


def test_a_password_opens_no_other_user() -> None:
    mallory = sip_user("m", "mallory", authentication={"username": "mallory", "password": "m"})
    alice = sip_user("a", "alice", authentication={"username": "alice", "password": "a"})
    door, _ = directory([], [mallory, alice])
    verdict = door.judge(request("sip:alice@x", Authorization=proof("mallory")), STRANGER)
    assert isinstance(verdict, Challenged)
    assert verdict.account_of("mallory") is None


def test_an_open_user_opens_no_number_of_a_trunk() -> None:
    door, _ = directory([trunk()], [sip_user("o", "open"), phone_number("n1", NUMBER)])
    asked = request("sip:open@192.0.2.1", to=CALL)
    called = door.called(invited(asked, door.judge(asked, STRANGER)))
    assert called and called.number["id"] == "o"


def test_a_trusted_network_may_call_anybody() -> None:
    door, _ = directory(
        [trunk(gateways=[{"ip": "127.0.0.1"}])],
        [phone_number("n1", NUMBER), phone_number("n2", "+4930777777", credentialId="none")],
        trusted=[ip_network("127.0.0.0/8")],
    )
    assert door.judge(request(CALL), hop("127.0.0.1")) == Admitted("trunk-1")
    asked = request("sip:+4930777777@127.0.0.1")
    verdict = door.judge(asked, hop("127.0.0.1"))
    assert verdict == Admitted(TRUSTED_PARTY)
    called = door.called(invited(asked, verdict))
    assert called and called.number["id"] == "n2"
    nobody = request("sip:nobody@127.0.0.1")
    assert door.called(invited(nobody, door.judge(nobody, hop("127.0.0.1")))) is None
    assert door.knows(hop("127.0.0.9"))


def test_overload_turns_callers_away_and_tells_strangers_nothing() -> None:
    full = Turned(503, "overloaded", retry_after_s=7)
    door, refused = directory(
        [trunk()], [phone_number("n1", NUMBER), sip_user("o", "open")], turned=lambda: full
    )
    assert door.judge(request(CALL), hop("192.0.2.10")) == full
    assert door.judge(request("sip:open@x"), STRANGER) == full
    assert isinstance(door.judge(request(CALL), STRANGER), Ignored)
    assert door.judge(request(CALL, "OPTIONS"), hop("192.0.2.10")) == Admitted("trunk-1")
    assert refused[0].trunk_id == "trunk-1"


def test_a_call_that_replaces_another_needs_no_number() -> None:
    door, _ = directory([trunk()], [phone_number("n1", NUMBER)])
    asked = request("sip:7f3a@192.0.2.1", Replaces="1;to-tag=a;from-tag=b")
    assert door.judge(asked, hop("192.0.2.10")) == Admitted("trunk-1")


def test_a_removed_trunk_is_a_stranger() -> None:
    door, _ = directory([trunk()], [phone_number("n1", NUMBER)])
    door.rebuild([], [])
    assert isinstance(door.judge(request(CALL), hop("192.0.2.10")), Ignored)


def test_a_thousand_trunks_and_ten_thousand_numbers_are_looked_up_at_once() -> None:
    trunks = [
        trunk(f"t{i}", gateways=[{"ip": f"10.{i >> 8}.{i & 255}.0", "netmask": 24 + i % 9}])
        for i in range(1000)
    ]
    numbers = [
        phone_number(f"n{i}", f"+4930{i:07}", credentialId=f"t{i % 1000}") for i in range(10_000)
    ]
    door, _ = directory(trunks, numbers)
    began = perf_counter()
    for i in range(1000):
        asked = request(f"sip:+4930{i:07}@192.0.2.1")
        assert door.judge(asked, hop(f"10.{i >> 8}.{i & 255}.0")) == Admitted(f"t{i}")
        assert isinstance(door.judge(asked, STRANGER), Ignored)
    assert perf_counter() - began < 1.0  # half a millisecond each, on a slow machine


@pytest.mark.parametrize(
    ("source", "nearest"),
    [
        ("10.0.0.5", "10.0.0.4/32"),
        ("10.0.0.129", "10.0.0.130/32"),
        ("10.0.0.255", "10.0.0.130/32"),
        ("9.0.0.1", "10.0.0.4/32"),
    ],
)
def test_the_nearest_network_shares_the_longest_beginning(source: str, nearest: str) -> None:
    gateways = [{"ip": "10.0.0.4"}, {"ip": "10.0.0.130"}, {"ip": "192.0.2.1"}]
    door, _ = directory([trunk(gateways=gateways)], [])
    verdict = door.judge(request("sip:1@x"), hop(source))
    assert isinstance(verdict, Ignored)
    assert f"the nearest is {nearest} of trunk" in verdict.why


def test_the_nearest_of_no_network_is_nothing() -> None:
    sources = Sources()
    assert sources.nearest("192.0.2.1") is None
    assert sources.of("not an address") == []
