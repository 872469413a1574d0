"""`/assistant`."""

from ...store.documents import LIMIT_DEFAULT
from ..endpoint import Endpoint
from ..paging import DATE_FILTERS
from ..schemas.assistant import Assistant
from .resource import Resource

LIST_QUERY = {"limit": f"number, default {LIMIT_DEFAULT}"} | dict.fromkeys(DATE_FILTERS, "date")

_assistants = Resource("assistant", "assistant", Assistant)

ENDPOINTS = (
    Endpoint(
        "POST",
        "/assistant",
        _assistants.create,
        "Make an assistant",
        body=(Assistant,),
        answer="Assistant",
        status=201,
    ),
    Endpoint(
        "GET",
        "/assistant",
        _assistants.list,
        "List assistants, newest first",
        answer="list of Assistant",
        query=LIST_QUERY,
    ),
    Endpoint("GET", "/assistant/{id}", _assistants.get, "Read an assistant", answer="Assistant"),
    Endpoint(
        "PATCH",
        "/assistant/{id}",
        _assistants.update,
        "Change top-level keys of an assistant; null removes one",
        body=(Assistant,),
        answer="Assistant",
    ),
    Endpoint(
        "PUT",
        "/assistant/{id}",
        _assistants.replace,
        "Replace an assistant",
        body=(Assistant,),
        answer="Assistant",
    ),
    Endpoint(
        "DELETE", "/assistant/{id}", _assistants.delete, "Remove an assistant", answer="Assistant"
    ),
)
