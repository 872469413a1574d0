"""Telephone numbers: reading what carriers write, and writing what they read.

A number is E.164 with its plus (`+4930123456`), or it is local to a trunk: an extension, a short
code, a name. Knows nothing of trunks or SIP messages but the user part of a URI.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

NumberFormat = Literal["e164", "national", "as-is"]

E164_DIGITS = (7, 15)
"""Digits of an international number: below it is a short code of its country (ITU-T E.164 §6)."""
CODES_FOR_ABROAD = ("00", "011")
"""Dialled before an international number: in most of the world, in North America."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SEPARATORS = re.compile(r"[ ().\-/\u00a0]")
_DIALLED = re.compile(r"\+?[0-9]+")


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How numbers are dialled where the trunk is."""

    country_code: str = ""
    """Digits; empty: not known, so that national numbers cannot be told."""
    national_prefix: str = "0"
    """Dialled before a national number; may be empty."""
    international_prefix: str = "00"


NORTH_AMERICA = NumberPlan("1", "1", "011")


def is_e164(number: str) -> bool:
    """Whether a number is international and long enough to be somebody's."""
    return _E164.fullmatch(number) is not None


def cleaned(user: str) -> str:
    """The number in the user part of a URI: escapes undone, separators and parameters gone.

    A local number with `phone-context=+49` (RFC 3966 §5.1.5) becomes an international one.
    """
    number, *parameters = unquote(user[:256], errors="replace").split(";")
    number = _SEPARATORS.sub("", number)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        context = _SEPARATORS.sub("", value)
        if name.lower() == "phone-context" and re.fullmatch(r"\+[0-9]+", context, re.ASCII):
            return number if number.startswith("+") else context + number
    return number


def readings(user: str, plan: NumberPlan) -> tuple[str, ...]:
    """What a user part may mean, the likeliest first; at least one.

    Every international reading comes with its plus. What is no telephone number, and what may be an
    extension, is also given as it is.
    """
    number = cleaned(user)
    if not _DIALLED.fullmatch(number):
        return (number,)
    digits = number.removeprefix("+")
    if number.startswith("+") and not digits.startswith("0"):
        return (number,)
    # "+0049…" and "+030…" are on the wire as well: a gateway that puts a plus before anything.
    found = _from_abroad(digits, plan) or _national(digits, plan) or [f"+{digits}"]
    return tuple(dict.fromkeys([*filter(is_e164, found), number]))


def normalised(user: str, plan: NumberPlan) -> str:
    """The likeliest meaning of a user part: E.164 with plus if it is one, else as it is."""
    return readings(user, plan)[0]


def written(number: str, plan: NumberPlan, form: NumberFormat, leading_plus: bool) -> str:
    """A number as a trunk wants it. What is not E.164 is written as it is."""
    if form == "as-is" or not is_e164(number):
        return number
    digits = number[1:]
    if form == "e164":
        return number if leading_plus else digits
    home = plan.country_code
    if home and digits.startswith(home):
        return plan.national_prefix + digits[len(home) :]
    return plan.international_prefix + digits


def _from_abroad(digits: str, plan: NumberPlan) -> list[str]:
    # 011 is a national number in most countries: a code only where we know no better.
    usual = ("00",) if plan.country_code else CODES_FOR_ABROAD
    codes = dict.fromkeys((plan.international_prefix, *usual))
    return [f"+{digits[len(code) :]}" for code in codes if code and digits.startswith(code)]


def _national(digits: str, plan: NumberPlan) -> list[str]:
    home, prefix = plan.country_code, plan.national_prefix
    if not home:
        return []
    if prefix and digits.startswith(prefix):
        rest = digits[len(prefix) :]
        return [f"+{home}{rest}"] if rest[:1] != "0" or prefix != "0" else []
    if digits.startswith(home):
        return [f"+{digits}"]
    local = f"+{home}{digits}"
    if home == "1" and len(digits) == 10:
        return [local]
    # A national number without its prefix, usual where there is none; or one from abroad.
    return [f"+{digits}", local] if prefix else [local, f"+{digits}"]
