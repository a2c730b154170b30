"""The outermost layer: a request id, one line of log and the figures for each request."""

import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from ml.serving.answer import Problem, Refusal
from ml.serving.metrics import Metrics

log = structlog.get_logger()

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ROUTES = {"/predict", "/healthz", "/readyz", "/metrics", "/openapi.json"}
_QUIET = {"/healthz", "/readyz", "/metrics"}
_SERVER_ERROR = 500


class RequestLog:
    """Wraps an application. Logs no photo, no key and no text of the caller's but a plain id.

    Args:
        app: what answers.
        metrics: count requests and their seconds.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Logged(self._app, self._metrics, scope, send).run(receive)


class _Logged:
    def __init__(self, app: ASGIApp, metrics: Metrics, scope: Scope, send: Send) -> None:
        self._app = app
        self._metrics = metrics
        self._scope = scope
        self._send = send
        self._status: int | None = None
        self._route = scope["path"] if scope["path"] in _ROUTES else "other"
        given = Headers(scope=scope).get(HEADER, "")
        self._id = given if _GIVEN.fullmatch(given) else secrets.token_hex(16)

    async def run(self, receive: Receive) -> None:
        start = time.monotonic()
        state: dict[str, Any] = self._scope.setdefault("state", {})
        state["request_id"] = self._id
        clear_contextvars()
        bind_contextvars(request_id=self._id)
        try:
            await self._app(self._scope, receive, self._sending)
        except Exception:
            log.exception("a request failed")
            await self._failed(receive)
        finally:
            self._tell(time.monotonic() - start, state.get("reason"))

    async def _sending(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            MutableHeaders(scope=message)[HEADER] = self._id
        await self._send(message)

    async def _failed(self, receive: Receive) -> None:
        if self._status is not None:
            return  # the answer had begun: the connection ends
        problem = Problem(reason="internal", detail="a defect; the log has it under this id")
        body = Refusal(error=problem, request_id=self._id).model_dump(mode="json")
        response = JSONResponse(body, _SERVER_ERROR)
        await response(self._scope, receive, self._sending)

    def _tell(self, seconds: float, reason: object) -> None:
        status = self._status or 0
        self._metrics.requests.labels(self._route, str(status)).inc()
        self._metrics.seconds.labels(self._route).observe(seconds)
        if self._route in _QUIET and status < _SERVER_ERROR:
            return
        method = self._scope["method"] if self._scope["method"].isalpha() else "other"
        log.info(
            "request", method=method, route=self._route, status=status,
            seconds=round(seconds, 4), reason=reason,
        )  # fmt: skip
