"""`/credential`: the SIP trunks, and how they are."""

from starlette.responses import JSONResponse, Response

from ...codecs.wideband import WidebandUnavailable, require
from ...store.documents import Document
from ..bodies import read_object
from ..endpoint import Asked, Endpoint
from ..problems import Problem, not_found
from ..schemas.credential import Credential, TrunkTest
from ..schemas.validation import check
from .assistants import LIST_QUERY
from .resource import Resource

SECRETS = (
    "outboundAuthenticationPlan.authPassword",
    "sip.inboundAuthenticationPlan.password",
)


async def _can_be_carried(asked: Asked, body: Document) -> None:
    for codec in (body.get("sip") or {}).get("codecs") or ():
        try:
            require(codec)
        except WidebandUnavailable as error:
            raise Problem(400, [f"sip.codecs: {error}"]) from error


async def _tell_the_trunks(asked: Asked) -> None:
    await asked.services.trunks.refresh()


_credentials = Resource(
    "credential",
    "credential",
    Credential,
    _can_be_carried,
    secrets=SECRETS,
    changed=_tell_the_trunks,
)


async def _status(asked: Asked) -> Response:
    if await asked.services.store.get("credential", asked.org_id, asked.id) is None:
        raise not_found("credential", asked.id)
    return JSONResponse(asked.services.trunks.status(asked.org_id, asked.id))


async def _statuses(asked: Asked) -> Response:
    return JSONResponse(asked.services.trunks.statuses(asked.org_id))


async def _test(asked: Asked) -> Response:
    if await asked.services.store.get("credential", asked.org_id, asked.id) is None:
        raise not_found("credential", asked.id)
    body = await read_object(asked.request)
    check(TrunkTest, body)
    return JSONResponse(
        await asked.services.trunk_tester.test(asked.org_id, asked.id, body.get("number"))
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/credential",
        _credentials.create,
        "Add a SIP trunk",
        body=(Credential,),
        answer="Credential",
        status=201,
    ),
    Endpoint(
        "GET",
        "/credential",
        _credentials.list,
        "List credentials, newest first",
        answer="list of Credential",
        query=LIST_QUERY,
    ),
    Endpoint("GET", "/credential/{id}", _credentials.get, "Read a credential", answer="Credential"),
    Endpoint(
        "PATCH",
        "/credential/{id}",
        _credentials.update,
        "Change top-level keys of a credential; null removes one",
        body=(Credential,),
        answer="Credential",
    ),
    Endpoint(
        "DELETE",
        "/credential/{id}",
        _credentials.delete,
        "Remove a credential; its trunk is unregistered",
        answer="Credential",
    ),
    Endpoint(
        "GET",
        "/credential/{id}/status",
        _status,
        "How a trunk is: registration, gateways, calls, the last refusals",
    ),
    Endpoint(
        "POST",
        "/credential/{id}/test",
        _test,
        "Try a trunk: OPTIONS, REGISTER, and an INVITE that is given up when it rings",
        body=(TrunkTest,),
    ),
    Endpoint("GET", "/sip/status", _statuses, "How every trunk is"),
)
