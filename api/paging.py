"""Reads the query of a list: dates, equality and limit."""

import math
from collections.abc import Collection
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from ..base.clock import iso
from ..store.documents import LIMIT_DEFAULT, LIMIT_MAX, Field, Filters, Span
from .problems import Problem

DATE_FILTERS = tuple(
    f"{name}{bound}" for name in ("createdAt", "updatedAt") for bound in ("Gt", "Lt", "Ge", "Le")
)


def read_filters(query: QueryParams, fields: Collection[Field] = ()) -> Filters:
    """The filters of a list that may also be searched by `fields`.

    Raises Problem 400 with a sentence for every parameter that is unknown or wrong: a filter that
    is overlooked would give more than was asked for.
    """
    faults = [
        f"property {name[:100]} should not exist"
        for name in query
        if name not in {"limit", *DATE_FILTERS, *fields}
    ]
    dates = {name: _date(name, query[name], faults) for name in DATE_FILTERS if name in query}
    limit = read_number(query, "limit", LIMIT_DEFAULT, (0, LIMIT_MAX), faults)
    if faults:
        raise Problem(400, faults[:50])
    return Filters(
        created=_span("createdAt", dates),
        updated=_span("updatedAt", dates),
        equal={name: query[name] for name in fields if name in query},
        limit=int(limit),
    )


def read_number(
    query: QueryParams, name: str, default: float, bounds: tuple[int, int], faults: list[str]
) -> float:
    """A number of the query such as `50` or `2.0`; a wrong one adds a sentence to `faults`."""
    if name not in query:
        return default
    try:
        number = float(query[name])
    except ValueError:
        number = math.nan
    low, high = bounds
    if not math.isfinite(number):
        faults.append(f"{name} must be a number")
    elif not number.is_integer():
        faults.append(f"{name} must be a whole number")
    elif number < low:
        faults.append(f"{name} must not be less than {low}")
    elif number > high:
        faults.append(f"{name} must not be greater than {high}")
    else:
        return number
    return default


def _span(name: str, dates: dict[str, str]) -> Span:
    return Span(
        gt=dates.get(f"{name}Gt"),
        ge=dates.get(f"{name}Ge"),
        lt=dates.get(f"{name}Lt"),
        le=dates.get(f"{name}Le"),
    )


def _date(name: str, text: str, faults: list[str]) -> str:
    """A moment in the form and the precision that documents print; finer digits are cut off."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
        return iso(moment.replace(microsecond=moment.microsecond // 1_000 * 1_000).timestamp())
    except (ValueError, OverflowError):
        faults.append(f"{name} must be a valid ISO 8601 date string")
        return ""
