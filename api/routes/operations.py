"""What operators and their machines ask: health, readiness, metrics."""

import asyncio
import logging

from starlette.responses import JSONResponse, Response

from ..endpoint import Asked, Endpoint
from ..metrics import CONTENT_TYPE
from ..ports import ReadinessCheck

log = logging.getLogger(__name__)

CHECK_S = 5.0  # a check that takes longer has failed


async def _health(asked: Asked) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(asked: Asked) -> Response:
    checks = asked.services.readiness
    answers = await asyncio.gather(*(_run(name, check) for name, check in checks.items()))
    results = dict(zip(checks, answers, strict=True))
    faults = [f"{name}: {fault}" for name, fault in results.items() if fault]
    shown = {name: fault or "ok" for name, fault in results.items()}
    if not faults:
        return JSONResponse({"status": "ready", "checks": shown})
    body = {"status": "not ready", "checks": shown, "message": faults}
    return JSONResponse(body | {"error": "Service Unavailable", "statusCode": 503}, 503)


async def _run(name: str, check: ReadinessCheck) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_S)
    except TimeoutError:
        return f"The check took longer than {CHECK_S:g} seconds."
    except Exception as error:
        log.error("a readiness check failed", exc_info=error, extra={"check": name})
        return "The check itself failed; the log says why."


async def _metrics(asked: Asked) -> Response:
    return Response(asked.services.metrics.text(), media_type=CONTENT_TYPE)


ENDPOINTS = (
    Endpoint("GET", "/health", _health, "Whether the process answers", access="public"),
    Endpoint("GET", "/healthz", _health, "Whether the process answers", access="public"),
    Endpoint(
        "GET",
        "/readyz",
        _ready,
        "Whether calls can be taken, and if not, why",
        access="public",
        also=(503,),
    ),
    Endpoint(
        "GET",
        "/metrics",
        _metrics,
        "Metrics for Prometheus",
        access="metrics",
        answer="text/plain",
    ),
)
