"""`/healthz`, `/readyz`, `/metrics` and the API's description."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from ml.serving.refused import BEARER
from ml.serving.service import Service
from ml.storage.api_keys import Right

_OK, _UNAVAILABLE = 200, 503


def health_router(service: Service) -> APIRouter:
    """The routes of one service; the first two are open, and say no more than they must."""
    router = APIRouter()

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Whether a version is loaded and what is needed answers")
    async def readyz() -> JSONResponse:
        follower = service.follower
        body = {
            "ready": follower.ready,
            "loaded": follower.current is not None,
            "checks": follower.seen.checks,
        }
        return JSONResponse(body, _OK if follower.ready else _UNAVAILABLE)

    @router.get("/metrics", summary="Figures for Prometheus", dependencies=[BEARER])
    async def metrics(request: Request) -> Response:
        service.authorise(request.headers.get("authorization"), Right.METRICS)
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/openapi.json", summary="This description", dependencies=[BEARER])
    async def openapi(request: Request) -> dict[str, Any]:
        service.authorise(request.headers.get("authorization"), Right.PREDICT)
        described: dict[str, Any] = request.app.openapi()
        return described

    return router
