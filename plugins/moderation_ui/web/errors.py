"""Answers to rejected requests: a code for scripts, a sentence for people, nothing internal."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ml.core.errors import (
    BucketUnusable,
    ConnectionUnavailable,
    LeaseLost,
    ModerationError,
    ObjectArchived,
    ObjectNotFound,
    PromotionConflict,
    StatementCanceled,
    StorageForbidden,
    StorageFull,
    StorageUnavailable,
)

log = structlog.get_logger()


@dataclass(eq=False)
class ApiError(ModerationError):
    """A request that is rejected.

    `code` is one word for scripts and for the translated sentence (`locale/errors.yaml`);
    `detail` says more, in English, and names nothing internal.
    """

    status: int
    code: str
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or self.code


_MAX_NAME = 250  # characters of an id; keys have a limit of their own

# The first that fits. Any other error means that the request is not allowed as it is (422).
_STATUS: tuple[tuple[type[ModerationError], int, str], ...] = (
    (LeaseLost, 409, "lease_lost"),
    (PromotionConflict, 409, "champion_changed"),
    (ObjectNotFound, 404, "absent"),
    (StorageUnavailable, 503, "unavailable"),
    (StorageFull, 503, "unavailable"),
    (StatementCanceled, 503, "unavailable"),
    (StorageForbidden, 503, "storage_forbidden"),
    (BucketUnusable, 503, "unavailable"),
    (ConnectionUnavailable, 503, "unavailable"),
    (ObjectArchived, 503, "unavailable"),
)
# Their messages may name hosts, buckets or settings: for the log, not for the browser.
_WITHOUT_DETAIL = {"unavailable", "storage_forbidden", "absent"}


def install(app: FastAPI) -> None:
    """Answer every error of the project, every invalid request and every other error alike."""
    app.add_exception_handler(ModerationError, _moderation)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


def answer(status: int, code: str, detail: str = "") -> JSONResponse:
    """The response to a request that failed; 503 says when to retry."""
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse({"error": code, "detail": detail}, status, headers=headers)


def _moderation(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ApiError):
        return answer(error.status, error.code, error.detail)
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            log.warning("request rejected", path=request.url.path, code=code, error=str(error))
            return answer(status, code, "" if code in _WITHOUT_DETAIL else str(error))
    return answer(422, "refused", str(error))


def _validation(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    if any(_names_nothing(problem) for problem in problems):
        return answer(404, "absent", "no such name")
    message = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)
    return answer(422, "invalid", message)


def _names_nothing(problem: dict[str, Any]) -> bool:
    """Whether a name in the address is one that nothing has: with a NUL character, or too long."""
    value = problem.get("input")
    return (
        problem["loc"][0] in ("path", "query")
        and isinstance(value, str)
        and ("\0" in value or len(value) > _MAX_NAME)
    )


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer(500, "internal")
