"""Answers to rejected requests: a code for scripts, a sentence for people, nothing internal."""

from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ml.core.errors import (
    LeaseLost,
    ModerationError,
    ObjectNotFound,
    PromotionConflict,
    StorageForbidden,
    StorageUnavailable,
)

log = structlog.get_logger()


@dataclass(eq=False)
class ApiError(ModerationError):
    """A request that is not carried out.

    `code` is one word for scripts and for the translated sentence (`locale/errors.yaml`);
    `detail` says more, in English, and names nothing internal.
    """

    status: int
    code: str
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.code


# The first that fits. What is not named here cannot be carried out as it is asked (422).
_STATUS: tuple[tuple[type[ModerationError], int, str], ...] = (
    (LeaseLost, 409, "lease_lost"),
    (PromotionConflict, 409, "champion_changed"),
    (ObjectNotFound, 404, "absent"),
    (StorageUnavailable, 503, "unavailable"),
    (StorageForbidden, 503, "storage_forbidden"),
)
# Their messages may name hosts, buckets or settings: for the log, not for the browser.
_SILENT = {"unavailable", "storage_forbidden", "absent"}


def install(app: FastAPI) -> None:
    """Let every error of the project, and every bad request, leave the app in one form."""
    app.add_exception_handler(ModerationError, _moderation)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


def _answer(status: int, code: str, detail: str) -> JSONResponse:
    headers = {"Retry-After": "5"} if status == 503 else None  # noqa: PLR2004 - HTTP's number
    return JSONResponse({"error": code, "detail": detail}, status, headers=headers)


def _moderation(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ApiError):
        return _answer(error.status, error.code, error.detail)
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            log.warning("request refused", path=request.url.path, code=code, error=str(error))
            return _answer(status, code, "" if code in _SILENT else str(error))
    return _answer(422, "refused", str(error))


def _validation(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    message = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)
    return _answer(422, "invalid", message)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, exc_info=error)
    return _answer(500, "internal", "")
