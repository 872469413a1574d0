"""Puts the REST API together: the route table, access, errors, request ids."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..base.clock import Clock, SystemClock
from ..base.ids import Entropy, SystemEntropy
from ..store.documents import Store
from .auth import ApiKeys, authenticate
from .edge import RequestEdge
from .endpoint import Asked, Endpoint, Services
from .metrics import Metrics
from .openapi import describe
from .ports import CallDesk, ReadinessCheck, TimelineWaiter, TrunkDesk, TrunkTester
from .problems import HANDLERS
from .routes import (
    artifacts,
    assistants,
    calls,
    credentials,
    operations,
    phone_numbers,
    timeline,
)

RESOURCES: tuple[Endpoint, ...] = (
    *operations.ENDPOINTS,
    *assistants.ENDPOINTS,
    *phone_numbers.ENDPOINTS,
    *credentials.ENDPOINTS,
    *calls.ENDPOINTS,
    *timeline.ENDPOINTS,
    *artifacts.ENDPOINTS,
)


def create_app(  # noqa: PLR0913 - each is a part that the runtime builds; all by keyword
    *,
    store: Store,
    desk: CallDesk,
    trunks: TrunkDesk,
    trunk_tester: TrunkTester,
    keys: ApiKeys,
    timeline: TimelineWaiter,
    version: str,
    readiness: Mapping[str, ReadinessCheck] | None = None,
    metrics: Metrics | None = None,
    metrics_public: bool = False,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Starlette:
    """The ASGI application. It starts nothing and owns nothing: what is handed in, others close."""
    services = Services(
        store=store,
        desk=desk,
        trunks=trunks,
        trunk_tester=trunk_tester,
        keys=keys,
        timeline=timeline,
        metrics=metrics or Metrics(version),
        clock=clock or SystemClock(),
        entropy=entropy or SystemEntropy(),
        readiness=readiness or {},
        metrics_public=metrics_public,
    )
    services.metrics.watch("runtime_calls_active", "Calls that have not ended", desk.live_count)
    edge = Middleware(
        RequestEdge,
        metrics=services.metrics,
        clock=services.clock,
        entropy=services.entropy,
    )
    app = Starlette(
        routes=_routes(endpoints(version), services),
        middleware=[edge],
        exception_handlers=HANDLERS,
    )
    app.router.redirect_slashes = False
    return app


def endpoints(version: str) -> tuple[Endpoint, ...]:
    """The whole route table, the OpenAPI document included, which describes it."""

    async def openapi(asked: Asked) -> Response:
        return JSONResponse(document)

    table = (
        *RESOURCES,
        Endpoint("GET", "/openapi.json", openapi, "This description of the API", access="public"),
    )
    document = describe(table, version)
    return table


def _routes(table: Sequence[Endpoint], services: Services) -> list[Route]:
    """One route a path, so that a wrong method is answered with all the right ones."""
    ordered = sorted(table, key=lambda endpoint: endpoint.path)
    return [
        _route(path, {endpoint.method: endpoint for endpoint in group}, services)
        for path, group in groupby(ordered, key=lambda endpoint: endpoint.path)
    ]


def _route(path: str, by_method: Mapping[str, Endpoint], services: Services) -> Route:
    async def dispatch(request: Request) -> Response:
        endpoint = by_method["GET" if request.method == "HEAD" else request.method]
        org_id = _organisation(endpoint, request, services)
        return await endpoint.handler(Asked(request, services, org_id))

    handle: Callable[[Request], Awaitable[Response]] = dispatch
    return Route(path, handle, methods=sorted(by_method), name=path)


def _organisation(endpoint: Endpoint, request: Request, services: Services) -> str:
    is_public = endpoint.access == "public" or (
        endpoint.access == "metrics" and services.metrics_public
    )
    return "" if is_public else authenticate(request, services.keys)
