"""Outermost middleware: request id, one log line and metrics for each request."""

import logging
import re
import secrets
import sys
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from ml.moderation.serving.metrics import Metrics
from ml.moderation.serving.responses import ErrorResponse, Problem


def configure_service_logs() -> None:
    """Configure structlog for the service: JSON to standard output, from level INFO."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    logging.basicConfig(level=logging.WARNING)


log = structlog.get_logger()

HEADER = "X-Request-ID"
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ROUTES = {"/predict", "/healthz", "/readyz", "/metrics", "/openapi.json"}
_UNLOGGED_ROUTES = {"/healthz", "/readyz", "/metrics"}  # logged only if they fail
_SERVER_ERROR = 500


class RequestLog:
    """ASGI middleware. Logs no photo, no API key and no text of the caller except a valid id.

    Args:
        app: the application.
        metrics: counts requests and their seconds.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _LoggedRequest(self._app, self._metrics, scope, send).run(receive)


class _LoggedRequest:
    def __init__(self, app: ASGIApp, metrics: Metrics, scope: Scope, send: Send) -> None:
        self._app = app
        self._metrics = metrics
        self._scope = scope
        self._send = send
        self._status: int | None = None
        self._route = scope["path"] if scope["path"] in _ROUTES else "other"
        requested = Headers(scope=scope).get(HEADER, "")
        self._id = requested if _VALID_REQUEST_ID.fullmatch(requested) else secrets.token_hex(16)

    async def run(self, receive: Receive) -> None:
        start = time.monotonic()
        state: dict[str, Any] = self._scope.setdefault("state", {})
        state["request_id"] = self._id
        clear_contextvars()
        bind_contextvars(request_id=self._id)
        try:
            await self._app(self._scope, receive, self._send_with_id)
        except Exception:
            log.exception("a request failed")
            await self._send_error(receive)
        finally:
            self._record(time.monotonic() - start, state.get("reason"))

    async def _send_with_id(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)[HEADER] = self._id
        await self._send(message)

    async def _send_error(self, receive: Receive) -> None:
        if self._status is not None:
            return  # the response has started: the connection is closed
        problem = Problem(reason="internal", detail="a defect; the log has it under this id")
        body = ErrorResponse(error=problem, request_id=self._id).model_dump(mode="json")
        response = JSONResponse(body, _SERVER_ERROR)
        await response(self._scope, receive, self._send_with_id)

    def _record(self, seconds: float, reason: object) -> None:
        status = self._status or 0
        self._metrics.requests.labels(self._route, str(status)).inc()
        self._metrics.seconds.labels(self._route).observe(seconds)
        if self._route in _UNLOGGED_ROUTES and status < _SERVER_ERROR:
            return
        method = self._scope["method"] if self._scope["method"].isalpha() else "other"
        log.info(
            "request", method=method, route=self._route, status=status,
            seconds=round(seconds, 4), reason=reason,
        )  # fmt: skip
