"""The gate: deny by default, costly ranges, emergency numbers, paces, places, minutes, targets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.calls.trunks.destinations import COSTLY, is_emergency
from aywa.calls.trunks.gate import Allowed, Denied, Gate, Origination
from aywa.calls.trunks.targets import Targets
from aywa.calls.trunks.trunk import Trunk
from aywa.sip.transport import Hop

from .conftest import HandClock, trunk


def decided(gate: Gate, on: Trunk | None, number: str | None = None, uri: str | None = None) -> str:
    """The code of a denial, or the number that is allowed."""
    verdict = gate.decide(Origination("call", on, number, uri))
    gate.release("call")
    return verdict.code if isinstance(verdict, Denied) else verdict.number or "uri"


def allowing(*prefixes: str, deny: tuple[str, ...] = (), **fields: object) -> Trunk:
    sip = {"destinations": {"allow": list(prefixes), "deny": list(deny)}, **fields}
    return trunk(sip=sip)


@pytest.mark.parametrize("number", ["+4930123456", "+14155550100", "4930123456"])
def test_nothing_is_allowed_that_nobody_listed(clock: HandClock, number: str) -> None:
    assert decided(Gate(clock), trunk(), number) == "unlisted-number"
    assert decided(Gate(clock), None, number) == "no-trunk"


def test_the_operator_lists_countries_and_the_trunk_adds_its_own(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    assert decided(gate, trunk(), "+4930123456") == "+4930123456"
    assert decided(gate, trunk(), "+380441234567") == "unlisted-number"
    assert decided(gate, allowing("380"), "+380441234567") == "+380441234567"


@pytest.mark.parametrize("prefix", sorted(COSTLY))
def test_a_costly_number_needs_to_be_listed_as_such(clock: HandClock, prefix: str) -> None:
    number = f"+{prefix}5551234567"[:15]
    every_country = tuple(str(n) for n in range(1, 10))
    assert decided(Gate(clock, countries=every_country), trunk(), number) == "costly-number"
    assert decided(Gate(clock), allowing(prefix), number) == number


def test_of_two_prefixes_the_longer_counts_and_the_denial_among_equals(clock: HandClock) -> None:
    gate = Gate(clock)
    on = allowing("49", "493012", deny=("4930", "4940"))
    assert decided(gate, on, "+4989123456") == "+4989123456"
    assert decided(gate, on, "+4930999999") == "denied-number"
    assert decided(gate, on, "+4930123456") == "+4930123456"
    assert decided(gate, allowing("49", deny=("49",)), "+4989123456") == "denied-number"


@pytest.mark.parametrize(
    ("number", "country"),
    [("112", ""), ("911", "49"), ("110", "49"), ("110", ""), ("101", "380"), ("+112", "")],
)
def test_emergency_numbers_are_never_called(clock: HandClock, number: str, country: str) -> None:
    numbers = {"countryCode": country} if country else {}
    on = allowing("1", "9", "112", "911", "110", "101", numbers=numbers)
    assert decided(Gate(clock), on, number) == "emergency-number"
    assert decided(Gate(clock), on, uri=f"sip:{number}@192.0.2.10") == "emergency-number"
    assert is_emergency(number, country)


def test_a_number_in_a_uri_leaves_as_it_is_and_is_judged_so(clock: HandClock) -> None:
    on = allowing("89", numbers={"countryCode": "49"})
    assert decided(Gate(clock), on, "89123456") == "+89123456"
    assert decided(Gate(clock), on, uri="sip:89123456@192.0.2.10") == "unlisted-number"


def test_a_short_number_must_be_listed_whole(clock: HandClock) -> None:
    german = {"countryCode": "49"}
    assert decided(Gate(clock), allowing("2", numbers=german), "200") == "not-a-number"
    assert decided(Gate(clock), allowing("200", numbers=german), "200") == "200"
    assert decided(Gate(clock), allowing("1", "2"), "sales") == "not-a-number"


def test_what_leaves_as_it_was_given_is_judged_in_every_reading(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    anew = allowing(numbers={"countryCode": "34", "nationalPrefix": ""})
    assert (
        decided(
            gate, allowing("34", numbers={"countryCode": "34", "nationalPrefix": ""}), "912345678"
        )
        == "+34912345678"
    )
    assert decided(gate, anew, "912345678") == "unlisted-number"
    as_is = {"countryCode": "34", "nationalPrefix": "", "outboundFormat": "as-is"}
    assert decided(gate, allowing("34", numbers=as_is), "912345678") == "unlisted-number"
    assert decided(gate, allowing("34", "91", numbers=as_is), "912345678") == "+34912345678"


@pytest.mark.parametrize(
    "given_", ["0088212345678", "+88212345678", "01188212345678", "88212345678"]
)
def test_a_satellite_network_is_found_however_it_is_written(clock: HandClock, given_: str) -> None:
    assert decided(Gate(clock, countries=("88", "49")), trunk(), given_) == "costly-number"


def test_sip_uris_lead_to_the_own_gateway_and_to_listed_targets_only(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",), targets=("127.0.0.0/8", "pbx.example.com"))
    own = trunk()
    assert decided(gate, own, uri="sip:alice@192.0.2.10") == "uri"
    assert decided(gate, own, uri="sip:204@192.0.2.10") == "uri"
    assert decided(gate, own, uri="sip:+4930123456@192.0.2.10") == "uri"
    assert decided(gate, own, uri="sip:0088212345678@192.0.2.10") == "unlisted-number"
    assert decided(gate, own, uri="sip:a@192.0.2.10;maddr=192.0.2.99") == "target-not-permitted"
    assert decided(gate, None, uri="sip:alice@192.0.2.10") == "target-not-permitted"
    assert decided(gate, None, uri="sip:alice@127.0.0.1:5090") == "uri"
    assert decided(gate, None, uri="sip:alice@PBX.example.com.") == "uri"
    assert decided(gate, own, uri="sip:alice@198.51.100.1") == "target-not-permitted"
    assert decided(gate, own, uri="tel:+4930123456") == "target-not-permitted"
    assert decided(gate, own, uri="nonsense") == "target-not-permitted"


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "10.1.2.3",
        "224.0.0.1",
        "[fe80::1]",
    ],
)
def test_anywhere_is_no_private_network(host: str) -> None:
    assert Targets(["*"]).refusal(host)


def test_a_public_name_must_not_lead_inside() -> None:
    anywhere = Targets(["*", "10.5.0.0/16", "pbx.example.com"])
    assert anywhere.refusal("evil.example.org") is None
    assert anywhere.refusal_of_addresses("evil.example.org", ["93.184.216.34"]) is None
    assert "10.0.0.1" in (anywhere.refusal_of_addresses("evil.example.org", ["10.0.0.1"]) or "")
    assert anywhere.refusal_of_addresses("evil.example.org", ["10.5.0.1"]) is None
    assert anywhere.refusal_of_addresses("pbx.example.com", ["10.0.0.1"]) is None


def test_where_dns_leads_is_judged_too(clock: HandClock) -> None:
    gate = Gate(clock, targets=("*",))
    denied = gate.refusal_of_hops("sip:a@evil.example.org", [Hop("udp", "192.168.1.1", 5060)])
    assert denied and denied.code == "target-not-permitted"


def test_a_trunk_is_called_no_faster_than_it_permits(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    on = trunk(sip={"limits": {"callsPerSecond": 2.0}})
    codes = [decided(gate, on, "+4930123456") for _ in range(4)]
    assert codes[2:] == ["too-many-calls-per-second"] * 2
    clock.now += 0.5
    assert decided(gate, on, "+4930123456") == "+4930123456"
    assert decided(gate, on, "+4930123456") == "too-many-calls-per-second"
    assert decided(gate, trunk("other"), "+4930123456") == "+4930123456"


def test_the_runtime_has_a_pace_as_well(clock: HandClock) -> None:
    gate = Gate(clock, targets=("127.0.0.1",), calls_per_second=1)
    assert decided(gate, None, uri="sip:a@127.0.0.1") == "uri"
    assert decided(gate, None, uri="sip:a@127.0.0.1") == "too-many-calls-per-second"


def limited(**limits: float) -> Trunk:
    return trunk(sip={"limits": {"callsPerSecond": 1000.0, **limits}})


def test_places_are_taken_and_given_back(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    on = limited(concurrentCalls=2)
    assert isinstance(gate.decide(Origination("1", on, "+4930123456")), Allowed)
    assert isinstance(gate.receive("2", on), Allowed)
    third = gate.decide(Origination("3", on, "+4930123456"))
    assert isinstance(third, Denied) and third.code == "too-many-calls"
    assert isinstance(gate.receive("4", on), Denied)
    gate.release("1")
    gate.release("1")
    gate.release("never")
    assert gate.usage(on.id).live == 1
    assert isinstance(gate.receive("4", on), Allowed)
    assert gate.keep_only({"4"}) == ["2"]
    usage = gate.usage(on.id)
    assert (usage.live, usage.placed, usage.received, usage.denied) == (1, 1, 2, 2)


def test_a_place_that_nobody_gives_back_comes_back_by_itself(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    on = limited(concurrentCalls=1, callDurationSeconds=60)
    verdict = gate.decide(Origination("1", on, "+4930123456"))
    assert isinstance(verdict, Allowed) and verdict.max_duration_s == 60
    clock.now += 181
    assert gate.usage(on.id).live == 0
    assert isinstance(gate.decide(Origination("2", on, "+4930123456")), Allowed)


def test_the_minutes_of_the_day_are_counted_and_bound_the_call(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    on = limited(minutesPerDay=10)
    gate.carry_over({on.id: 120.0})
    first = gate.decide(Origination("1", on, "+4930123456"))
    assert isinstance(first, Allowed) and first.max_duration_s == 480
    clock.now += 300
    second = gate.decide(Origination("2", on, "+4930123456"))
    assert isinstance(second, Allowed) and second.max_duration_s == 180
    gate.release("1")
    clock.now += 180
    third = gate.decide(Origination("3", on, "+4930123456"))
    assert isinstance(third, Denied) and third.code == "minutes-used-up"
    assert gate.usage(on.id).minutes_today == 10
    gate.release("2")
    clock.now += 2 * 3600  # past midnight, UTC
    assert gate.usage(on.id).minutes_today == 0
    assert isinstance(gate.decide(Origination("4", on, "+4930123456")), Allowed)


def test_a_call_over_midnight_counts_for_both_days(clock: HandClock) -> None:
    gate = Gate(clock, countries=("49",))
    on = limited(minutesPerDay=1000)
    clock.now += 86_400 - clock.wall() % 86_400 - 600  # ten minutes to midnight
    gate.decide(Origination("1", on, "+4930123456"))
    clock.now += 900
    assert gate.usage(on.id).minutes_today == 5
    gate.release("1")
    assert gate.usage(on.id).minutes_today == 5


@given(st.lists(st.tuples(st.sampled_from("ORKT"), st.integers(0, 5)), max_size=60))
def test_no_order_of_events_leaks_a_place(steps: list[tuple[str, int]]) -> None:
    clock = HandClock()
    gate = Gate(clock, countries=("49",), calls_per_second=10_000)
    on = limited(concurrentCalls=3)
    for step, number in steps:
        match step:
            case "O":
                gate.decide(Origination(str(number), on, "+4930123456"))
            case "R":
                gate.release(str(number))
            case "K":
                gate.keep_only({str(number)})
            case _:
                clock.now += number * 30_000
        assert 0 <= gate.usage(on.id).live <= 3
    gate.keep_only(())
    assert gate.usage(on.id).live == 0
    assert isinstance(gate.decide(Origination("last", on, "+4930123456")), Allowed)


@given(st.text(max_size=60))
def test_whatever_is_asked_the_gate_decides(text: str) -> None:
    gate = Gate(HandClock(), countries=("49",), targets=("*",), calls_per_second=10_000)
    for wanted in (Origination("1", trunk(), text), Origination("1", None, None, text)):
        assert isinstance(gate.decide(wanted), Allowed | Denied)
