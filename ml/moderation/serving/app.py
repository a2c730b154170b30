"""The FastAPI application with its routes, error handlers and request log, and its server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from ml.core.settings import Settings
from ml.moderation.serving.error_handlers import register_error_handlers
from ml.moderation.serving.health import health_router
from ml.moderation.serving.predict import predict_router
from ml.moderation.serving.request_log import RequestLog
from ml.moderation.serving.service import Service
from ml.storage.connections import Connections

API_VERSION = "1"


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


_MAX_CONNECTIONS = 1024  # further ones are answered with 503
_MAX_HEADER_BYTES = 16 * 2**10
_KEEP_ALIVE_SECONDS = 5


def make_server(settings: Settings, connections: Connections) -> uvicorn.Server:
    """Create the server, not started; on SIGTERM it finishes the requests in flight."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(Service(settings, connections)),
            host=settings.serve_host,
            port=settings.serve_port,
            http="h11",  # limits the size of request headers; httptools does not
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.serve_request_timeout_seconds) + 1,
        )
    )
