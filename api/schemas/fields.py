"""The building blocks of the schemas.

Field names are those of the JSON (camelCase). Every field that may be absent may also be null. The
models only judge: what is stored and answered is the JSON that was sent, not a model's dump.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """An object of which every key is known."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Open(BaseModel):
    """An object that keeps further, provider-specific keys."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def wrong_field(field: str, sentence: str) -> PydanticCustomError:
    """An error of a whole object that is about one of its fields, a path such as `a.b`."""
    return PydanticCustomError(
        "field", "{field} {sentence}", {"field": field, "sentence": sentence}
    )


def missing_field(field: str, why: str) -> PydanticCustomError:
    """An error of a whole object that lacks a field which some other field makes necessary."""
    return PydanticCustomError(
        "field_missing", "{field} {sentence}", {"field": field, "sentence": f"is required {why}"}
    )


def _matching(pattern: str, sentence: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})
        return value

    return AfterValidator(check)


Text = Annotated[str, Field(max_length=100_000)]
Name = Annotated[str, Field(max_length=40)]
Spoken = Annotated[str, Field(max_length=1_000)]
Phrase = Annotated[str, Field(min_length=2, max_length=140)]
Id = Annotated[str, Field(min_length=1, max_length=64)]
Url = Annotated[
    str,
    Field(max_length=2_048, json_schema_extra={"format": "uri"}),
    _matching(r"(?:https?|wss?)://[!-~]+", "must be a URL address"),
]
BackgroundSound = Annotated[
    str,
    Field(max_length=2_048),
    _matching(r"off|office|https?://[!-~]+", "must be off, office or a URL address"),
]
SipUri = Annotated[
    str,
    Field(max_length=255),
    _matching(
        r"""sips?:(?:[!-~](?<![<>"@]))+@(?:[!-~](?<![<>"@]))+""",
        "must be a SIP address, such as sip:alice@192.0.2.1",
    ),
]
Dialled = Annotated[str, Field(min_length=3, max_length=40)]
Digits = Annotated[
    str, Field(max_length=10), _matching(r"[0-9A-Da-d*#]+", "must be digits, A to D, * or #")
]
Moment = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "date-time"}),
    _matching(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)",
        "must be a date and time, such as 2026-01-31T12:00:00.000Z",
    ),
]
Number = float  # the API's clients send whole numbers as 2 or as 2.0


def _whole(value: float) -> float:
    if not value.is_integer():
        raise PydanticCustomError("sentence", "{sentence}", {"sentence": "must be a whole number"})
    return value


Count = Annotated[float, AfterValidator(_whole)]
Object = dict[str, Any]


TEXT_OR_OTHER = Discriminator(lambda value: "text" if isinstance(value, str) else "other")
"""Tells a string (tag `text`) from anything else (tag `other`) in a union."""


def within(low: float, high: float) -> Any:
    """An optional number from `low` to `high`."""
    return Field(None, ge=low, le=high)


def listed(most: int = 1_000) -> Any:
    """An optional array of at most `most` items."""
    return Field(None, max_length=most)


def check_dialled(number: str | None, e164_only: bool | None, path: str = "number") -> None:
    """A number is E.164, unless its owner turned that check off."""
    if number is None:
        return
    if e164_only is False:
        if not re.fullmatch(r"\+?[a-zA-Z0-9]+", number):
            raise wrong_field(path, "must have letters and digits only, after an optional +")
    elif not re.fullmatch(r"\+[1-9]\d{2,14}", number, re.ASCII):
        raise wrong_field(
            path,
            "must be a valid phone number in the E.164 format, such as +14155550100, "
            "unless numberE164CheckEnabled is false",
        )
