"""Refusals as answers: one JSON body, and the headers that go with a status."""

import math
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from ml.errors import RequestRefused, StorageError
from ml.serving.answer import Problem, Refusal
from ml.serving.metrics import Metrics

# For the documentation: keys are looked at by `ml.serving.access`, which says why it refuses.
BEARER = Depends(HTTPBearer(auto_error=False, description="A key of `python -m ml keys create`"))

_UNAUTHORISED, _TIMEOUT, _TOO_LARGE, _UNAVAILABLE = 401, 408, 413, 503
_STORAGE_RETRY_SECONDS = 5.0


def retry_header(seconds: float) -> dict[str, str]:
    """`Retry-After` in whole seconds, at least 1."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def add_refusals(app: FastAPI, metrics: Metrics) -> None:
    """Answer what is raised on the way; 500 is left to the outermost layer."""

    @app.exception_handler(RequestRefused)
    async def refused(request: Request, error: RequestRefused) -> JSONResponse:
        metrics.refused.labels(error.reason).inc()
        return _response(request, error)

    @app.exception_handler(StorageError)
    async def away(request: Request, error: StorageError) -> JSONResponse:  # noqa: ARG001 - the framework's signature
        metrics.refused.labels("storage").inc()
        detail = "database or bucket do not answer"
        return _response(
            request,
            RequestRefused(_UNAVAILABLE, "storage", detail, retry_after=_STORAGE_RETRY_SECONDS),
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        reason = phrase.lower().replace(" ", "_")
        return _response(request, RequestRefused(error.status_code, reason, phrase))


def _response(request: Request, error: RequestRefused) -> JSONResponse:
    request.state.reason = error.reason
    problem = Problem(reason=error.reason, detail=error.detail)
    body = Refusal(error=problem, request_id=request.state.request_id)
    return JSONResponse(body.model_dump(mode="json"), error.status, _headers(request, error))


def _headers(request: Request, error: RequestRefused) -> dict[str, str]:
    headers = retry_header(error.retry_after) if error.retry_after is not None else {}
    if error.status == _UNAUTHORISED:
        headers["WWW-Authenticate"] = "Bearer"
    # What is left of a body is read and dropped, so that the caller gets this answer; not so where
    # its end is not known or far.
    if "transfer-encoding" in request.headers or error.status in (_TIMEOUT, _TOO_LARGE):
        headers["Connection"] = "close"
    return headers
