"""Reads the JSON object that a request carries, within bounds."""

import json
import math
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from .problems import Problem

BODY_MAX = 1_048_576  # bytes
DEPTH_MAX = 64  # objects and arrays inside each other


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises Problem 400, or 413 for a body above BODY_MAX."""
    return parse_object(await _read(request))


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`, which can be stored and printed again. Raises Problem 400."""
    if not data.strip():
        raise Problem(400, "The body is empty; a JSON object is needed.")
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8 text: byte {error.start} is wrong.") from None
    except json.JSONDecodeError as error:
        raise Problem(
            400,
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}.",
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # an integer of thousands of digits
        raise Problem(400, "The body has a number with too many digits.") from None
    if not isinstance(value, dict):
        raise Problem(400, f"The body must be a JSON object, not {_name_of(value)}.")
    _check_contents(value)
    return value


async def _read(request: Request) -> bytes:
    if int(_digits(request.headers.get("content-length"))) > BODY_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_MAX:
                raise _too_large()
    except ClientDisconnect:
        raise Problem(400, "The body ended before it was complete.") from None
    return bytes(body)


def _digits(text: str | None) -> str:
    return text if text and text.isascii() and text.isdigit() and len(text) < 20 else "0"


def _check_contents(value: Any) -> None:
    """Bounds the depth, and refuses text that no database or answer could carry."""
    level = [value]
    for _ in range(DEPTH_MAX):
        strings = [item for item in level if isinstance(item, str)]
        strings += [key for item in level if isinstance(item, dict) for key in item]
        for string in strings:
            _check_string(string)
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_string(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Problem(400, "The body has text with U+0000 or half of a surrogate pair.")


def _refuse_constant(name: str) -> NoReturn:
    raise Problem(400, f"The body is not valid JSON: {name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Problem(400, f"The body has a number that is too large: {text[:40]}.")
    return number


def _name_of(value: Any) -> str:
    names: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean value"}
    return "null" if value is None else names.get(type(value), "a number")


def _too_deep() -> Problem:
    return Problem(400, f"The body has more than {DEPTH_MAX} objects and arrays inside each other.")


def _too_large() -> Problem:
    return Problem(413, f"The body is larger than the {BODY_MAX} bytes that are permitted.")
