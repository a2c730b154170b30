"""`POST /predict`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from structlog.contextvars import bind_contextvars

from ml.errors import RequestRefused
from ml.inference.fetch import Fetched
from ml.inference.outcome import Rejected
from ml.serving.answer import EXAMPLE, Answer, Refusal, answer, refusal_example
from ml.serving.body import IMAGE, KEY, Body, Upload, read_body
from ml.serving.judging import Judging, Photo
from ml.serving.objects import Found, find_objects
from ml.serving.refused import BEARER, retry_header
from ml.serving.service import Service
from ml.storage.api_keys import Right
from ml.storage.images import PendingImage

_UNAVAILABLE = 503

_EXAMPLES: tuple[tuple[int, str, str, str], ...] = (
    (400, "Malformed or cut body", "body_cut", "the closing boundary is missing"),
    (401, "No key, or an unknown one", "key_unknown", "no such key"),
    (403, "A revoked key, or one without the right", "key_revoked", "this key is revoked"),
    (404, "No object of this key", "object_absent", "the bucket holds no such object"),
    (408, "The body came too slowly", "body_too_slow", "the body did not arrive within 30 s"),
    (409, "The object was replaced meanwhile", "object_changed", "it is no longer the same"),
    (413, "Too many bytes, pixels or photos", "body_too_large", "at most 67,108,864 bytes"),
    (415, "No multipart, or no photo", "unsupported_format", "PDF; accepted are JPEG, PNG, ..."),
    (422, "A photo that cannot be judged", "truncated", "the pixels end early"),
    (429, "This key sends too much", "too_many_requests", "600 requests a minute"),
    (503, "Full, not ready, or a part is away", "queue_full", "128 photos are waiting"),
)  # fmt: skip

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    IMAGE: {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "Photos: JPEG, PNG, WebP, GIF, BMP, AVIF; no animations.",
                    },
                    KEY: {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Keys of photos in the shop's bucket; never addresses.",
                        "example": ["reviews/2026/11/26/photo.jpg"],
                    },
                },
            }
        }
    },
}


def predict_router(service: Service) -> APIRouter:
    """The route, answered by a service."""
    router = APIRouter()

    @router.post(
        "/predict",
        summary="Judge photos as the night would",
        response_model=Answer,
        responses=_documented(),
        openapi_extra={"requestBody": _BODY},
        dependencies=[BEARER],
    )
    async def predict(request: Request) -> JSONResponse:
        """Judge the photos of one request, all by one model version.

        `result` is `normal` only where the photo may be shown; what waits for a person, or is
        blocked, is `violate`.
        """
        return await _Prediction(service, request).response()

    return router


class _Prediction:
    """One request on its way."""

    def __init__(self, service: Service, request: Request) -> None:
        self._service = service
        self._request = request

    async def response(self) -> JSONResponse:
        service, request = self._service, self._request
        key = service.authorise(request.headers.get("authorization"), Right.PREDICT)
        bind_contextvars(key=key.key_id)
        with service.key_limits.enter(key), service.load.held() as hold:
            # Before a body is read for nothing.
            service.judging()
            service.load.check()
            return await self._judged(hold)

    async def _judged(self, hold: Callable[[int], None]) -> JSONResponse:
        service = self._service
        body = await read_body(self._request, service.settings, hold)
        bind_contextvars(photos=len(body))
        with service.load.taken(len(body)):
            # Only now: a slow body must not hold an old version back. From here on it is this one.
            judging = service.judging()
            seconds = service.settings.serve_answer_seconds
            try:
                async with asyncio.timeout(seconds):
                    status, shown = await self._answered(judging, body)
            except TimeoutError as error:
                detail = f"no answer within {seconds:g} s"
                wait = service.load.retry_after
                raise RequestRefused(_UNAVAILABLE, "too_slow", detail, retry_after=wait) from error
        headers = retry_header(service.load.retry_after) if status == _UNAVAILABLE else {}
        return JSONResponse(shown.model_dump(mode="json"), status, headers)

    async def _answered(self, judging: Judging, body: Body) -> tuple[int, Answer | Refusal]:
        service = self._service
        store, pools = service.connections.photos, service.pools
        found = await find_objects(body.keys, store=store, pools=pools)
        wanted = [*(_fetched(upload) for upload in body.uploads), *map(_pending, found)]
        photos = await judging.judge(wanted)
        recorded: set[str] = set()
        if service.settings.serve_record:
            listed = {o.key: o for o in found if not isinstance(o, Rejected)}
            recorded = await service.recorder.record(judging.version, photos, listed)
        self._count(photos)
        bind_contextvars(model=judging.version.judged_by.model_hash)
        names = [*(upload.name for upload in body.uploads), *body.keys]
        request_id = self._request.state.request_id
        return answer(request_id, judging.version, names, photos, recorded)

    def _count(self, photos: Sequence[Photo]) -> None:
        metrics = self._service.metrics
        for photo in photos:
            if isinstance(photo, Rejected):
                metrics.rejected.labels(photo.error.reason.value).inc()
            else:
                metrics.photos.labels(photo.verdict.decision.value).inc()


def _fetched(upload: Upload) -> Fetched:
    return Fetched(PendingImage("", "", len(upload.data)), upload.data)


def _pending(found: Found) -> PendingImage | Rejected:
    if isinstance(found, Rejected):
        return found
    return PendingImage(found.key, found.etag, found.size_bytes)


def _documented() -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {
        200: {"description": "All photos were judged", "content": _json(EXAMPLE)}
    }
    for status, says, reason, detail in _EXAMPLES:
        example = refusal_example(reason, detail)
        documented[status] = {"model": Refusal, "description": says, "content": _json(example)}
    return documented


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"example": example}}
