"""`/phone-number`."""

from ...store.documents import Document
from ..endpoint import Asked, Endpoint
from ..problems import Problem
from ..schemas.phone_number import PhoneNumber
from .assistants import LIST_QUERY
from .resource import Resource


async def _binds_an_assistant(asked: Asked, body: Document) -> None:
    assistant_id = body.get("assistantId")
    if assistant_id is None:
        return
    if await asked.services.store.get("assistant", asked.org_id, assistant_id) is None:
        raise Problem(400, ["assistantId must be the id of an existing assistant"])


_numbers = Resource(
    "phone_number", "phone number", PhoneNumber, _binds_an_assistant, {"status": "active"}
)

ENDPOINTS = (
    Endpoint(
        "POST",
        "/phone-number",
        _numbers.create,
        "Add a phone number",
        body=(PhoneNumber,),
        answer="PhoneNumber",
        status=201,
    ),
    Endpoint(
        "GET",
        "/phone-number",
        _numbers.list,
        "List phone numbers, newest first",
        answer="list of PhoneNumber",
        query=LIST_QUERY,
    ),
    Endpoint(
        "GET", "/phone-number/{id}", _numbers.get, "Read a phone number", answer="PhoneNumber"
    ),
    Endpoint(
        "PATCH",
        "/phone-number/{id}",
        _numbers.update,
        "Change top-level keys of a phone number; null removes one",
        body=(PhoneNumber,),
        answer="PhoneNumber",
    ),
    Endpoint(
        "DELETE",
        "/phone-number/{id}",
        _numbers.delete,
        "Remove a phone number",
        answer="PhoneNumber",
    ),
)
