"""`/call`: placed, read, renamed, steered, erased."""

import asyncio
from typing import Any

from starlette.responses import JSONResponse, Response

from ...base.clock import iso
from ...calls.control import AddMessage, ControlCommand, EndCall, Say, SendDigits, Transfer
from ...store.artifacts import CallArtifacts
from ...store.documents import Document, StoreError
from ..bodies import read_object
from ..endpoint import Asked, Endpoint
from ..paging import read_filters
from ..problems import Problem, not_found
from ..schemas.call import (
    CONTROLS,
    NO_PHONE_NUMBER,
    AddMessageRequest,
    CallChange,
    CallRequest,
    DtmfRequest,
    EndCallRequest,
    SayRequest,
    TransferRequest,
    lacks_phone_number,
)
from ..schemas.validation import check
from .assistants import LIST_QUERY
from .resource import without_nulls


async def stored_call(asked: Asked) -> Document:
    """The call in the path. Raises Problem 404."""
    call = await asked.services.store.get("call", asked.org_id, asked.id)
    if call is None:
        raise not_found("call", asked.id)
    return call


def has_ended(call: Document) -> bool:
    """Whether nothing more will happen in the call."""
    return bool(call.get("status") == "ended")


async def _place(asked: Asked) -> Response:
    body = without_nulls(await read_object(asked.request))
    if lacks_phone_number(body):
        raise Problem(400, NO_PHONE_NUMBER)
    check(CallRequest, body)
    return JSONResponse(await asked.services.desk.place(asked.org_id, body), 201)


async def _list(asked: Asked) -> Response:
    filters = read_filters(asked.request.query_params, ("id", "assistantId", "phoneNumberId"))
    return JSONResponse(await asked.services.store.find("call", asked.org_id, filters))


async def _get(asked: Asked) -> Response:
    return JSONResponse(await stored_call(asked))


async def _rename(asked: Asked) -> Response:
    await stored_call(asked)
    body = await read_object(asked.request)
    check(CallChange, body)
    changes = body | {"updatedAt": iso(asked.services.clock.wall())}
    changed = await asked.services.store.merge("call", asked.org_id, asked.id, changes)
    if changed is None:
        raise not_found("call", asked.id)
    return JSONResponse(changed)


async def _delete(asked: Asked) -> Response:
    call = await stored_call(asked)
    if not has_ended(call):
        raise Problem(
            400,
            f"The call is {call.get('status')}. End it first, for example with "
            f"POST /call/{asked.id}/control and type end-call.",
        )
    try:
        folder = asked.services.desk.artifact_folder(asked.id)
        await asyncio.to_thread(CallArtifacts(folder).erase)
    except StoreError as error:
        raise Problem(503, "The call's files could not be erased; try again.") from error
    removed = await asked.services.store.delete("call", asked.org_id, asked.id)
    if removed is None:
        raise not_found("call", asked.id)
    return JSONResponse(removed)


async def _control(asked: Asked) -> Response:
    await stored_call(asked)
    command = parse_control(await read_object(asked.request))
    return JSONResponse(await asked.services.desk.control(asked.org_id, asked.id, command))


def parse_control(body: dict[str, Any]) -> ControlCommand:
    """The command in a control body, bare or inside `message`. Raises Problem 400."""
    if "type" not in body and isinstance(body.get("message"), dict):
        body = body["message"]
    kind = body.get("type")
    model = CONTROLS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Problem(400, [f"type must be one of the following values: {', '.join(CONTROLS)}"])
    check(model, body)
    return _command(without_nulls(body))


def _command(body: dict[str, Any]) -> ControlCommand:
    match body["type"]:
        case "end-call":
            return EndCall()
        case "dtmf":
            return SendDigits(body["digits"], body.get("method"))
        case "transfer":
            destination = body["destination"]
            if destination["type"] == "number":
                return Transfer(number=destination["number"])
            return Transfer(sip_uri=destination["sipUri"])
        case "say":
            return Say(
                content=body["content"],
                end_call_after_spoken=body.get("endCallAfterSpoken", False),
                interruptions_enabled=body.get("interruptionsEnabled", True),
                interrupt_assistant_enabled=body.get("interruptAssistantEnabled", False),
            )
    return AddMessage(
        role=body["message"]["role"],
        content=body["message"]["content"],
        trigger_response_enabled=body.get("triggerResponseEnabled", True),
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/call",
        _place,
        "Place a call",
        body=(CallRequest,),
        answer="Call",
        status=201,
        also=(429,),
    ),
    Endpoint(
        "POST",
        "/call/phone",
        _place,
        "Place a call (an older name of POST /call)",
        body=(CallRequest,),
        answer="Call",
        status=201,
        also=(429,),
    ),
    Endpoint(
        "GET",
        "/call",
        _list,
        "List calls, newest first",
        answer="list of Call",
        query=LIST_QUERY | dict.fromkeys(("id", "assistantId", "phoneNumberId"), "string"),
    ),
    Endpoint("GET", "/call/{id}", _get, "Read a call", answer="Call"),
    Endpoint("PATCH", "/call/{id}", _rename, "Rename a call", body=(CallChange,), answer="Call"),
    Endpoint(
        "DELETE",
        "/call/{id}",
        _delete,
        "Remove an ended call, its timeline and its files",
        answer="Call",
        also=(503,),
    ),
    Endpoint(
        "POST",
        "/call/{id}/control",
        _control,
        "Steer a live call; the body may also stand inside message",
        body=(SayRequest, AddMessageRequest, EndCallRequest, DtmfRequest, TransferRequest),
    ),
)
