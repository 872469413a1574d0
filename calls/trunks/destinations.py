"""Which telephone numbers may be called: what is expensive, what is never called.

The table names ranges by their beginning. It cannot be complete: tariffs change by the week. It is
the second line; the first is that nothing is allowed that is not listed. Sources are the national
numbering plans as filed with the ITU (https://www.itu.int/oth/T0202), and the ITU-T list of E.164
assigned codes for the shared and satellite ones.
"""

from collections.abc import Iterable

COSTLY: dict[str, str] = {
    # Shared codes, ITU-T E.164 Annex A: no country, any price.
    "870": "Inmarsat satellite", "878": "universal personal number", "881": "satellite network",
    "882": "international network", "883": "international network", "888": "disaster relief",
    "979": "international premium rate", "808": "international shared cost",
    # +1, NANPA: premium, and the members whose code is not that of the USA or Canada.
    "1900": "premium rate", "1976": "premium rate", "1242": "Bahamas", "1246": "Barbados",
    "1264": "Anguilla", "1268": "Antigua and Barbuda", "1284": "British Virgin Islands",
    "1340": "US Virgin Islands", "1345": "Cayman Islands", "1441": "Bermuda", "1473": "Grenada",
    "1649": "Turks and Caicos", "1658": "Jamaica", "1664": "Montserrat", "1670": "N. Mariana Isl.",
    "1671": "Guam", "1684": "American Samoa", "1721": "Sint Maarten", "1758": "Saint Lucia",
    "1767": "Dominica", "1784": "Saint Vincent", "1787": "Puerto Rico", "1809": "Dominican Rep.",
    "1829": "Dominican Rep.", "1849": "Dominican Rep.", "1868": "Trinidad and Tobago",
    "1869": "Saint Kitts and Nevis", "1876": "Jamaica", "1939": "Puerto Rico",
    "1500": "personal numbers", "1521": "personal numbers", "1700": "carrier services",
    # +7, Rossvyaz and Kazakhstan.
    "7803": "shared cost", "7809": "premium rate", "76": "Kazakhstan", "77": "Kazakhstan",
    # Europe, national plans.
    "30901": "premium rate", "30909": "premium rate", "3180": "service number",
    "3190": "premium rate", "3287": "special rate", "3290": "premium rate",
    "338": "special rate", "34803": "premium rate", "34806": "premium rate",
    "34807": "premium rate", "34901": "shared cost", "34902": "shared cost",
    "34905": "premium rate", "34907": "premium rate", "351707": "shared cost",
    "351708": "shared cost", "351760": "premium rate", "35315": "premium rate",
    "358600": "premium rate", "358700": "premium rate", "35990": "premium rate",
    "3690": "premium rate", "37090": "premium rate", "37190": "premium rate",
    "372900": "premium rate", "373900": "premium rate", "380900": "premium rate",
    "38590": "premium rate", "38690": "premium rate", "38190": "premium rate",
    "39144": "premium rate", "39166": "premium rate", "39199": "premium rate",
    "3989": "premium rate", "40900": "premium rate", "41900": "premium rate",
    "41901": "premium rate", "41906": "premium rate", "420900": "premium rate",
    "420906": "premium rate", "420909": "premium rate", "421900": "premium rate",
    "43810": "shared cost", "43820": "shared cost", "43821": "shared cost", "43900": "premium rate",
    "43901": "premium rate", "43930": "premium rate", "43931": "premium rate",
    "4470": "personal numbers", "449": "premium rate", "4484": "special rate",
    "4487": "special rate", "4590": "premium rate", "46900": "premium rate",
    "46939": "premium rate", "46944": "premium rate", "4782": "premium rate",
    "48700": "premium rate", "48701": "premium rate", "48703": "premium rate",
    "48704": "premium rate", "48708": "premium rate",
    "48801": "shared cost", "49137": "televoting", "49180": "service number",
    "49188": "virtual network", "49190": "premium rate", "49900": "premium rate",
    "49118": "directory enquiries", "49700": "personal numbers", "49701": "personal numbers",
    # Elsewhere.
    "52900": "premium rate", "55900": "premium rate",
    "6119": "premium rate",
    "64900": "premium rate", "81990": "premium rate",
    "90900": "premium rate",
    "97219": "premium rate", "2786": "shared cost",
}  # fmt: skip
"""Beginnings of numbers, and what they are: allowed only if listed as long as this or longer."""

EVERYWHERE = frozenset({"112", "911", "999", "000"})
EMERGENCY: dict[str, frozenset[str]] = {
    "1": frozenset({"911", "933", "988"}),
    "7": frozenset({"01", "02", "03", "04", "101", "102", "103", "104"}),
    "20": frozenset({"122", "123", "180"}), "27": frozenset({"10111", "10177"}),
    "30": frozenset({"100", "166", "199"}),
    "32": frozenset({"100", "101"}), "33": frozenset({"15", "17", "18", "114", "115", "119"}),
    "34": frozenset({"061", "062", "080", "091"}), "36": frozenset({"104", "105", "107"}),
    "39": frozenset({"113", "115", "118"}), "41": frozenset({"117", "118", "144"}),
    "43": frozenset({"122", "133", "144", "140"}), "44": frozenset({"999", "101", "111"}),
    "48": frozenset({"997", "998"}), "49": frozenset({"110", "112", "116117"}),
    "52": frozenset({"060", "065"}), "55": frozenset({"190", "192", "193"}),
    "61": frozenset({"000", "106"}), "64": frozenset({"111"}), "65": frozenset({"995"}),
    "81": frozenset({"110", "118", "119"}), "82": frozenset({"119"}),
    "86": frozenset({"110", "119", "120", "122"}), "90": frozenset({"155"}),
    "91": frozenset({"100", "101", "102", "108"}), "380": frozenset({"101", "102", "103", "104"}),
    "972": frozenset({"100", "101", "102"}), "971": frozenset({"997", "998"}),
}  # fmt: skip
"""By calling code. A machine that cannot say where it is must not call for help."""

_ALL_EMERGENCY = EVERYWHERE.union(*EMERGENCY.values())


def is_emergency(number: str, country_code: str) -> bool:
    """Whether a number, as it would be dialled on the trunk, calls for help.

    Without a country everything that is an emergency number somewhere.
    """
    digits = number.removeprefix("+")
    if country_code and digits.startswith(country_code):
        digits = digits.removeprefix(country_code) or digits
    known = EMERGENCY.get(country_code, frozenset()) | EVERYWHERE
    numbers = known if country_code else _ALL_EMERGENCY
    return digits in numbers or number.removeprefix("+") in numbers


def costly(number: str) -> tuple[str, str] | None:
    """The costly range that a number with its plus lies in: its beginning and what it is."""
    prefix = longest(number, COSTLY)
    return None if prefix is None else (prefix, COSTLY[prefix])


def longest(number: str, prefixes: Iterable[str]) -> str | None:
    """The longest of the prefixes that a number with its plus begins with."""
    digits = number.removeprefix("+")
    return max((p for p in prefixes if digits.startswith(p)), key=len, default=None)
