"""Reading what carriers write, and writing what they read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aywa.calls.trunks.numbering import (
    NORTH_AMERICA,
    NumberPlan,
    cleaned,
    is_e164,
    normalised,
    readings,
    written,
)

GERMANY = NumberPlan("49")
SPAIN = NumberPlan("34", "")
NOWHERE = NumberPlan()


@pytest.mark.parametrize(
    ("user", "plan", "meant"),
    [
        ("+4930123456", GERMANY, "+4930123456"),
        ("4930123456", GERMANY, "+4930123456"),
        ("030123456", GERMANY, "+4930123456"),
        ("00380441234567", GERMANY, "+380441234567"),
        ("011380441234567", NORTH_AMERICA, "+380441234567"),
        ("14155550100", NORTH_AMERICA, "+14155550100"),
        ("4155550100", NORTH_AMERICA, "+14155550100"),
        ("912345678", SPAIN, "+34912345678"),
        ("380441234567", NOWHERE, "+380441234567"),
        ("+0049301234567", GERMANY, "+49301234567"),
        ("+030123456", GERMANY, "+4930123456"),
        ("%2B4930123456", GERMANY, "+4930123456"),
        ("+49-30-(123)456", GERMANY, "+4930123456"),
        ("+4930123456;npdi;rn=+49199", GERMANY, "+4930123456"),
        ("30123456;phone-context=+49", NOWHERE, "+4930123456"),
        ("110", GERMANY, "110"),
        ("1234", GERMANY, "1234"),
        ("sales", GERMANY, "sales"),
        ("0301234567", NOWHERE, "0301234567"),
        ("", GERMANY, ""),
    ],
)
def test_a_number_is_read(user: str, plan: NumberPlan, meant: str) -> None:
    assert normalised(user, plan) == meant


def test_a_number_that_may_be_two_things_has_two_readings() -> None:
    assert readings("89123456", GERMANY)[:2] == ("+89123456", "+4989123456")


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_an_international_number_is_itself_in_every_plan(number: str) -> None:
    for plan in (GERMANY, NORTH_AMERICA, SPAIN, NOWHERE):
        assert readings(number, plan) == (number,)


@given(st.from_regex(r"\+49[1-9][0-9]{6,10}", fullmatch=True), st.sampled_from([True, False]))
def test_what_is_written_is_read_back(number: str, plus: bool) -> None:
    for form in ("e164", "national"):
        assert normalised(written(number, GERMANY, form, plus), GERMANY) == number


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_foreign_number_keeps_its_way_through_the_national_form(number: str) -> None:
    again = normalised(written(number, GERMANY, "national", False), GERMANY)
    assert again == number or number.startswith("+490")  # a zero there is nobody's number


@given(st.text(max_size=300))
def test_any_text_has_a_reading(text: str) -> None:
    for plan in (GERMANY, NORTH_AMERICA, SPAIN, NOWHERE):
        found = readings(text, plan)
        assert found
        assert all(is_e164(one) or one == cleaned(text) for one in found)


@pytest.mark.parametrize(
    ("form", "plus", "wire"),
    [
        ("e164", True, "+4930123456"),
        ("e164", False, "4930123456"),
        ("national", False, "030123456"),
        ("as-is", False, "+4930123456"),
    ],
)
def test_a_number_is_written(form: str, plus: bool, wire: str) -> None:
    assert written("+4930123456", GERMANY, form, plus) == wire  # type: ignore[arg-type]  # a table
    assert written("sales", GERMANY, form, plus) == "sales"  # type: ignore[arg-type]  # the same


def test_a_foreign_number_is_written_with_the_code_for_abroad() -> None:
    assert written("+380441234567", GERMANY, "national", False) == "00380441234567"
    assert written("+380441234567", NORTH_AMERICA, "national", False) == "011380441234567"
    assert written("+14155550100", NORTH_AMERICA, "national", False) == "14155550100"
