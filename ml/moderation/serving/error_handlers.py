"""Map exceptions to responses: one JSON body, and the headers that belong to a status."""

import math
from http import HTTPStatus

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from ml.core.errors import RequestRejected, StorageError, WorkerFailed
from ml.moderation.serving.metrics import Metrics
from ml.moderation.serving.responses import error_response

log = structlog.get_logger()

# For the API documentation only: `ml.moderation.serving.auth` checks the keys.
BEARER = Depends(HTTPBearer(auto_error=False, description="A key of `python -m ml keys create`"))
_STORAGE_RETRY_SECONDS = 5.0


def retry_header(seconds: float) -> dict[str, str]:
    """`Retry-After` in whole seconds, at least 1."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def register_error_handlers(app: FastAPI, metrics: Metrics) -> None:
    """Register handlers for expected exceptions; `RequestLog` answers all others with 500."""

    @app.exception_handler(RequestRejected)
    async def rejected(request: Request, error: RequestRejected) -> JSONResponse:
        metrics.refused.labels(error.reason).inc()
        return _response(request, error)

    @app.exception_handler(StorageError)
    async def unavailable(request: Request, _error: StorageError) -> JSONResponse:
        detail, seconds = "database or bucket do not answer", _STORAGE_RETRY_SECONDS
        return await rejected(request, RequestRejected(503, "storage", detail, retry_after=seconds))

    @app.exception_handler(WorkerFailed)
    async def no_workers(request: Request, error: WorkerFailed) -> JSONResponse:
        log.error("no photo can be decoded", error=str(error))
        detail, seconds = "no photo can be decoded at present", _STORAGE_RETRY_SECONDS
        return await rejected(request, RequestRejected(503, "workers", detail, retry_after=seconds))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        reason = phrase.lower().replace(" ", "_")
        return _response(request, RequestRejected(error.status_code, reason, phrase))


def _response(request: Request, error: RequestRejected) -> JSONResponse:
    request.state.reason = error.reason
    body = error_response(error.reason, error.detail, request.state.request_id)
    headers = retry_header(error.retry_after) if error.retry_after is not None else {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    # The server reads and drops the rest of the body, so that the caller receives this response.
    # It closes the connection instead if the rest may be long or its length is unknown.
    if "transfer-encoding" in request.headers or error.status in (408, 413):
        headers["Connection"] = "close"
    return JSONResponse(body, error.status, headers)
