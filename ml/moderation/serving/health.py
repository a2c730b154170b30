"""Routes `/healthz`, `/readyz`, `/metrics` and `/openapi.json`."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from ml.moderation.serving.error_handlers import BEARER
from ml.moderation.serving.service import Service
from ml.storage.api_keys import ApiKeyScope

_OK, _UNAVAILABLE = 200, 503


def health_router(service: Service) -> APIRouter:
    """The routes of one service; the first two need no key and reveal as little as possible."""
    router = APIRouter()

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether a model is loaded and all dependencies respond")
    async def readyz() -> JSONResponse:
        watcher = service.watcher
        body = {
            "ready": watcher.ready,
            "loaded": watcher.current is not None,
            "checks": watcher.poll_state.checks,
        }
        return JSONResponse(body, _OK if watcher.ready else _UNAVAILABLE)

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
