"""`/phone-number`."""

from ...store.documents import Document
from ..endpoint import Asked, Endpoint
from ..problems import Problem
from ..schemas.phone_number import PhoneNumber
from .assistants import LIST_QUERY
from .resource import Resource

SECRETS = ("authentication.password", "twilioAuthToken", "twilioApiSecret")


async def _names_what_exists(asked: Asked, body: Document) -> None:
    store = asked.services.store
    assistant_id, credential_id = body.get("assistantId"), body.get("credentialId")
    if assistant_id and await store.get("assistant", asked.org_id, assistant_id) is None:
        raise Problem(400, ["assistantId must be the id of an existing assistant"])
    if credential_id and await store.get("credential", asked.org_id, credential_id) is None:
        raise Problem(400, ["credentialId must be the id of an existing credential"])


async def _tell_the_trunks(asked: Asked) -> None:
    await asked.services.trunks.refresh()


_numbers = Resource(
    "phone_number",
    "phone number",
    PhoneNumber,
    _names_what_exists,
    {"status": "active"},
    SECRETS,
    _tell_the_trunks,
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
