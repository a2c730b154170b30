"""The application: routes, refusals and the log around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ml.serving.health import health_router
from ml.serving.predict import predict_router
from ml.serving.refused import add_refusals
from ml.serving.request_log import RequestLog
from ml.serving.service import Service

API_VERSION = "1"


def create_app(service: Service) -> FastAPI:
    """An application that follows the champion while it runs."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="Review-photo moderation",
        version=API_VERSION,
        description="The night's judgement, online.",
        lifespan=lifespan,
        # The pages of FastAPI load scripts from elsewhere; ours is at /openapi.json, with a key.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(predict_router(service))
    app.include_router(health_router(service))
    add_refusals(app, service.metrics)
    app.add_middleware(RequestLog, metrics=service.metrics)
    return app
