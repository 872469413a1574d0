"""Describes the API in OpenAPI 3.1, from the route table and the schemas."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .endpoint import Endpoint
from .schemas.answers import Call, Problem, Timeline
from .schemas.assistant import Assistant
from .schemas.credential import Credential
from .schemas.phone_number import PhoneNumber

RESOURCES: tuple[type[BaseModel], ...] = (Assistant, PhoneNumber, Credential)
"""What is stored as it was sent, with ids and times of ours."""

_REFERENCE = "#/components/schemas/{model}"
_STORED: dict[str, Any] = {
    "type": "object",
    "required": ["id", "orgId", "createdAt", "updatedAt"],
    "properties": {
        "id": {"type": "string"},
        "orgId": {"type": "string"},
        "createdAt": {"type": "string", "format": "date-time"},
        "updatedAt": {"type": "string", "format": "date-time"},
    },
}


def describe(table: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Aywa Runtime", "version": version},
        "paths": _paths(table),
        "components": {
            "schemas": _schemas(table),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths(table: Sequence[Endpoint]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for endpoint in table:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return paths


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        "security": [] if endpoint.access == "public" else [{"bearer": []}, {"apiKey": []}],
    }
    if endpoint.body:
        models = [_reference(model) for model in endpoint.body]
        schema = models[0] if len(models) == 1 else {"anyOf": models}
        operation["requestBody"] = {"required": True, "content": _json(schema)}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.sub(r"[^a-z]+", " ", endpoint.path.lower()).split()
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    query = [
        {"name": name, "in": "query", "description": kind, "schema": _query_schema(kind)}
        for name, kind in endpoint.query.items()
    ]
    return path + query


def _query_schema(kind: str) -> dict[str, str]:
    if kind == "date":
        return {"type": "string", "format": "date-time"}
    return {"type": "number" if kind.startswith("number") else "string"}


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    problems = {500, *endpoint.also}
    problems |= {401} if endpoint.access != "public" else set()
    problems |= {404} if "{id}" in endpoint.path else set()
    problems |= {400} if endpoint.body or endpoint.query else set()
    problems |= {413} if endpoint.body else set()
    success = {"description": "Success", "content": _content(endpoint.answer)}
    return {str(endpoint.status): success} | {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": _json(_reference(Problem)),
        }
        for status in sorted(problems)
    }


def _content(answer: str) -> dict[str, Any]:
    if "/" in answer:
        return {answer: {"schema": {"type": "string"}}}
    if answer == "object":
        return _json({"type": "object"})
    name = answer.removeprefix("list of ")
    schema = {"$ref": _REFERENCE.format(model=_answer_name(name))}
    return _json(schema if name == answer else {"type": "array", "items": schema})


def _answer_name(name: str) -> str:
    return f"Stored{name}" if name in {"Assistant", "PhoneNumber"} else name


def _schemas(table: Sequence[Endpoint]) -> dict[str, Any]:
    models: set[type[BaseModel]] = {*RESOURCES, Call, Timeline, Problem}
    models.update(model for endpoint in table for model in endpoint.body)
    mode: Literal["validation"] = "validation"
    _, generated = models_json_schema(
        [(m, mode) for m in sorted(models, key=lambda m: m.__name__)], ref_template=_REFERENCE
    )
    schemas: dict[str, Any] = generated["$defs"]
    for model in RESOURCES:
        # The body's model forbids further keys, so its properties are repeated, not referred to.
        sent = schemas[model.__name__]
        properties = sent["properties"] | _STORED["properties"]
        if model is PhoneNumber:
            properties |= {"status": {"enum": ["active", "activating", "blocked"]}}
        schemas[f"Stored{model.__name__}"] = _STORED | {"properties": properties}
    return schemas


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
