"""The one place that turns what went wrong into an answer.

Every answer that is not a success is JSON: `{"message", "error", "statusCode"}`. `message` is a
sentence, or an array of sentences when a body has several faults.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from ..base.errors import AywaError
from ..calls.errors import (
    AtCapacity,
    CallNotLive,
    CallRefused,
    CommandRefused,
    Leaving,
    UnknownCall,
)

log = logging.getLogger(__name__)

Message = str | Sequence[str]

_STATUS_OF: dict[type[AywaError], int] = {
    CallRefused: 400,
    CommandRefused: 400,
    CallNotLive: 400,
    UnknownCall: 404,
    Leaving: 503,
}


class Problem(AywaError):
    """A request that is answered with an error, as the caller is to read it."""

    def __init__(
        self, status: int, message: Message, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message if isinstance(message, str) else "; ".join(message))
        self.status = status
        self.message = message
        self.headers = headers


def not_found(what: str, document_id: str) -> Problem:
    """The answer for an id that this organisation has not, whoever else may have it."""
    return Problem(404, f"There is no {what} with the id {document_id[:64]!r}.")


def answer(status: int, message: Message, headers: Mapping[str, str] | None = None) -> Response:
    """The JSON of an error."""
    phrase = "Content Too Large" if status == 413 else HTTPStatus(status).phrase
    body = {
        "message": message if isinstance(message, str) else list(message),
        "error": phrase,
        "statusCode": status,
    }
    return JSONResponse(body, status, headers=dict(headers or {}))


def unexpected(request_id: str, error: Exception) -> Response:
    """The answer to a fault of ours: the log tells what happened, the answer where to look."""
    log.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return answer(
        500, f"Something went wrong here. The log has it under the request id {request_id}."
    )


async def _answer_problem(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return answer(error.status, error.message, error.headers)
    if isinstance(error, AtCapacity):
        return answer(429, str(error), {"Retry-After": str(error.retry_after_s)})
    for kind, status in _STATUS_OF.items():
        if isinstance(error, kind):
            return answer(status, str(error))
    return unexpected(request.state.request_id, error)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return unexpected(request.state.request_id, error)
    messages = {
        404: f"There is no {request.url.path[:200]} here.",
        405: f"{request.method[:20]} is not possible here.",
    }
    return answer(error.status_code, messages.get(error.status_code, error.detail), error.headers)


HANDLERS: dict[type[Exception], ExceptionHandler] = {
    AywaError: _answer_problem,
    HTTPException: _answer_http_exception,
}
