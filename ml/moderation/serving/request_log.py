"""Outermost middleware: request id, one log line and metrics for each request."""

import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from ml.moderation.serving.metrics import Metrics
from ml.moderation.serving.responses import error_response

log = structlog.get_logger()

HEADER = "X-Request-ID"
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ROUTES = {"/predict", "/healthz", "/readyz", "/metrics", "/openapi.json"}
_UNLOGGED_ROUTES = {"/healthz", "/readyz", "/metrics"}  # logged only if they fail
_SERVER_ERROR = 500


class RequestLog:
    """ASGI middleware. Logs no photo, no API key and no text of the caller except a valid id."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        requested = Headers(scope=scope).get(HEADER, "")
        valid = _VALID_REQUEST_ID.fullmatch(requested)
        request_id = requested if valid else secrets.token_hex(16)
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        start, status = time.monotonic(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("a request failed")
            if not status:  # else the response has started: the connection is closed
                detail = "a defect; the log has it under this id"
                body = error_response("internal", detail, request_id)
                await JSONResponse(body, _SERVER_ERROR)(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.monotonic() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if route in _UNLOGGED_ROUTES and status < _SERVER_ERROR:
            return
        method = scope["method"] if scope["method"].isalpha() else "other"
        log.info(
            "request", method=method, route=route, status=status, seconds=round(seconds, 4),
            reason=scope["state"].get("reason"),
        )  # fmt: skip
