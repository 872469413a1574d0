"""The outermost layer: gives each request an id, counts it, and catches what nobody expected."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..base.clock import Clock
from ..base.ids import Entropy
from .metrics import Metrics
from .problems import unexpected

REQUEST_ID = "X-Request-Id"

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestEdge:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, clock: Clock, entropy: Entropy) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        began = self._clock.monotonic()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            response = unexpected(request_id, error)
            if status:
                raise  # the answer is under way: only the server can cut it off
            await response(scope, receive, send_marked)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            duration_s = self._clock.monotonic() - began
            self._metrics.request_answered(route, scope["method"], status, duration_s)

    def _id_of(self, scope: Scope) -> str:
        given = Headers(scope=scope).get(REQUEST_ID, "")
        return given if _ACCEPTED_ID.fullmatch(given) else self._entropy.token()
