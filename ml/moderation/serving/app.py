"""The FastAPI application with its routes, error handlers and request log, and its server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from ml.core.settings import Settings
from ml.moderation.serving.connections import BoundedProtocol, max_connections
from ml.moderation.serving.error_handlers import BEARER, register_error_handlers
from ml.moderation.serving.predict import predict_router
from ml.moderation.serving.request_log import RequestLog
from ml.moderation.serving.service import Service
from ml.storage.api_keys import ApiKeyScope
from ml.storage.connections import Connections

API_VERSION = "1"
_MAX_HEADER_BYTES = 16 * 2**10
_KEEP_ALIVE_SECONDS = 5


def create_app(service: Service) -> FastAPI:
    """Create the application; while it runs, it follows changes of the champion."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="Review-photo moderation",
        version=API_VERSION,
        description="The verdicts of the nightly run, online.",
        lifespan=lifespan,
        # FastAPI's own pages load scripts from other sites; ours is /openapi.json, with a key.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(predict_router(service))
    app.include_router(health_router(service))
    register_error_handlers(app, service.metrics)
    app.add_middleware(RequestLog, metrics=service.metrics)
    return app


def health_router(service: Service) -> APIRouter:
    """The other routes; the first two need no key and reveal as little as possible."""
    router = APIRouter()

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether a model is loaded and all dependencies respond")
    async def readyz() -> JSONResponse:
        ready, current = service.watcher.ready, service.watcher.current
        body = {
            "ready": ready,
            "loaded": current is not None,
            "computation": current and str(current.version.predictor.computation),
            "checks": service.watcher.checks,
        }
        return JSONResponse(body, 200 if ready else 503)

    @router.get("/metrics", summary="Metrics for Prometheus", dependencies=[BEARER])
    async def metrics(request: Request) -> Response:
        service.authorize(request.headers.get("authorization"), ApiKeyScope.METRICS)
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/openapi.json", summary="This description", dependencies=[BEARER])
    async def openapi(request: Request) -> dict[str, Any]:
        service.authorize(request.headers.get("authorization"), ApiKeyScope.PREDICT)
        description: dict[str, Any] = request.app.openapi()
        return description

    return router


def make_server(settings: Settings, connections: Connections) -> uvicorn.Server:
    """Create the server, not started; on SIGTERM it finishes the requests in flight."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(Service(settings, connections)),
            host=settings.serve_host,
            port=settings.serve_port,
            http=BoundedProtocol,  # on h11, which limits the size of request headers
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=max_connections() + 1,
            h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.serve_request_timeout_seconds) + 1,
        )
    )
