"""Judges a body by a model; its sentences begin with the path of the field that is wrong."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..problems import Problem

SENTENCES_MAX = 50  # a hostile body can have a fault in every byte; its author needs the first few
OVERRIDES = "assistantOverrides"

_SENTENCES = {
    "missing": "is required",
    "bool_type": "must be a boolean value",
    "string_type": "must be a string",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must not be less than {ge:g}",
    "less_than_equal": "must not be greater than {le:g}",
    "string_too_short": "must be longer than or equal to {min_length} characters",
    "string_too_long": "must be shorter than or equal to {max_length} characters",
    "too_short": "must contain at least {min_length} elements",
    "too_long": "must contain no more than {max_length} elements",
    "literal_error": "must be one of the following values: {expected}",
    "union_tag_invalid": "must be one of the following values: {expected_tags}",
}


def check(model: type[BaseModel], body: Mapping[str, Any]) -> None:
    """Raises Problem 400 with a sentence for every fault of `body`."""
    try:
        model.model_validate(dict(body))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        faults = [error for error in errors if not _comes_from_the_assistant(error)]
        if faults:
            sentences = dict.fromkeys(_sentence(error, body) for error in faults)
            raise Problem(400, list(sentences)[:SENTENCES_MAX]) from None


def _comes_from_the_assistant(error: ErrorDetails) -> bool:
    """What an override leaves out is the assistant's own, but arrays are replaced whole."""
    if error["type"] not in {"missing", "field_missing"} or OVERRIDES not in error["loc"]:
        return False
    inside = error["loc"][error["loc"].index(OVERRIDES) + 1 :]
    return bool(inside) and not any(isinstance(step, int) for step in inside)


def _sentence(error: ErrorDetails, body: Mapping[str, Any]) -> str:
    path = _path(error, body)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            *parents, name = path
            return ".".join([*parents, f"property {name[:100]} should not exist"])
        case "field" | "field_missing":
            return ".".join([*path, error["msg"]])
        case "sentence":
            return f"{'.'.join(path)} {error['msg']}"
        case "union_tag_not_found":
            return f"{'.'.join(path)} must be an object with a {context['discriminator']}".replace(
                "'", ""
            )
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        return f"{'.'.join(path)} is not valid: {error['msg']}"
    if error["type"] == "union_tag_invalid":
        path.append(context["discriminator"].strip("'"))
    words = {k: v.replace("'", "") if isinstance(v, str) else v for k, v in context.items()}
    return f"{'.'.join(path)} {sentence.format(**words)}"


def _path(error: ErrorDetails, body: Any) -> list[str]:
    """Where the fault is in the body: the location, without the labels of union members."""
    path: list[str] = []
    here = body
    for step in error["loc"]:
        inside_object = isinstance(here, dict) and step in here
        if inside_object or (isinstance(here, list) and isinstance(step, int)):
            here = here[step]
            path.append(str(step))
        elif error["type"] == "missing" and step == error["loc"][-1]:
            path.append(str(step))
    return path
