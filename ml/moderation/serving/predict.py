"""The route `POST /predict` and its description for OpenAPI."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from structlog.contextvars import bind_contextvars

from ml.core.errors import RequestRejected
from ml.core.types import PendingImage, RejectedImage
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.serving.error_handlers import BEARER, retry_header
from ml.moderation.serving.multipart import IMAGE, KEY, MultipartBody, read_body
from ml.moderation.serving.prediction_service import Photo, PredictionService, ResolvedKey
from ml.moderation.serving.responses import (
    EXAMPLE,
    ErrorResponse,
    PredictResponse,
    error_response,
    predict_response,
)
from ml.moderation.serving.service import Service
from ml.moderation.serving.verdict_recorder import record_verdicts
from ml.storage.api_keys import ApiKeyScope

_UNAVAILABLE = 503

_EXAMPLES: tuple[tuple[int, str, str, str], ...] = (
    (400, "Malformed or truncated body", "body_cut", "the closing boundary is missing"),
    (401, "No key, or an unknown one", "key_unknown", "no such key"),
    (403, "A revoked key, or one without the right", "key_revoked", "this key is revoked"),
    (404, "No object of this key", "object_absent", "the bucket holds no such object"),
    (408, "The body came too slowly", "body_too_slow", "the body did not arrive within 30 s"),
    (409, "The object was replaced meanwhile", "object_changed", "it is no longer the same"),
    (413, "Too many bytes, pixels or photos", "body_too_large", "at most 67,108,864 bytes"),
    (415, "No multipart, or no photo", "unsupported_format", "PDF; accepted are JPEG, PNG, ..."),
    (422, "A photo that cannot be scored", "truncated", "the pixels end early"),
    (429, "Too many requests of this key", "too_many_requests", "600 requests a minute"),
    (503, "Overloaded, not ready or a failed part", "queue_full", "128 photos are waiting"),
)  # fmt: skip

_FIELDS: dict[str, Any] = {
    IMAGE: {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "Photos: JPEG, PNG, WebP, GIF, BMP, AVIF, HEIC; animated ones, too.",
    },
    KEY: {
        "type": "array",
        "items": {"type": "string"},
        "description": "Keys of photos in the shop's bucket; URLs are rejected.",
        "example": ["reviews/2026/11/26/photo.jpg"],
    },
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": {"schema": {"type": "object", "properties": _FIELDS}}},
}


def predict_router(service: Service) -> APIRouter:
    """The route of one service."""
    router = APIRouter()

    @router.post(
        "/predict",
        summary="Moderate photos with the verdicts of the nightly run",
        response_model=PredictResponse,
        responses=_response_docs(),
        openapi_extra={"requestBody": _BODY},
        dependencies=[BEARER],
    )
    async def predict(request: Request) -> JSONResponse:
        """Moderate the photos of one request, all with the same model and policy.

        `result` is `normal` only if the photo may be published; it is `violate` for photos that
        need a review or are blocked.
        """
        key = service.authorize(request.headers.get("authorization"), ApiKeyScope.PREDICT)
        bind_contextvars(key=key.key_id)
        with service.key_limits.admit(key), service.load.reserve_bytes() as reserve:
            # Fail early, before a body is read in vain.
            service.loaded_predictions()
            service.load.check()
            body = await read_body(request, service.settings, reserve)
            bind_contextvars(photos=len(body))
            with service.load.reserve_images(len(body)):
                status, content = await _predict_in_time(service, body, request.state.request_id)
            headers = retry_header(service.load.retry_after) if status == _UNAVAILABLE else {}
            return JSONResponse(content.model_dump(mode="json"), status, headers)

    return router


async def _predict_in_time(
    service: Service, body: MultipartBody, request_id: str
) -> tuple[int, PredictResponse | ErrorResponse]:
    # Choose the model after the body was read: a slow body must not keep an old model.
    predictions = service.loaded_predictions()
    seconds = service.settings.serve_request_timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            photos, recorded = await _predict(service, predictions, body)
    except TimeoutError as error:
        detail, wait = f"no answer within {seconds:g} s", service.load.retry_after
        raise RequestRejected(503, "too_slow", detail, retry_after=wait) from error
    bind_contextvars(model=predictions.version.model_hash)
    names = [*(upload.name for upload in body.uploads), *body.keys]
    return predict_response(request_id, predictions.version, names, photos, recorded)


async def _predict(
    service: Service, predictions: PredictionService, body: MultipartBody
) -> tuple[list[Photo], set[str]]:
    """The photos of a request, in order, and the keys whose verdicts are recorded."""
    resolved = await predictions.resolve_keys(body.keys)
    uploads = [Fetched(PendingImage("", "", len(u.data)), u.data) for u in body.uploads]
    photos = await predictions.predict([*uploads, *map(_pending, resolved)])
    recorded: set[str] = set()
    if service.settings.serve_record_verdicts:
        listed = {o.key: o for o in resolved if not isinstance(o, RejectedImage)}
        recorded = await record_verdicts(service, predictions.version, photos, listed)
    for photo in photos:
        if isinstance(photo, RejectedImage):
            service.metrics.rejected.labels(photo.error.reason.value).inc()
        else:
            service.metrics.photos.labels(photo.verdict.decision.value).inc()
    return photos, recorded


def _pending(resolved: ResolvedKey) -> PendingImage | RejectedImage:
    if isinstance(resolved, RejectedImage):
        return resolved
    return PendingImage(resolved.key, resolved.etag, resolved.size_bytes)


def _response_docs() -> dict[int | str, dict[str, Any]]:
    errors: dict[int | str, dict[str, Any]] = {
        status: {
            "model": ErrorResponse,
            "description": description,
            "content": _json(error_response(reason, detail, EXAMPLE["request_id"])),
        }
        for status, description, reason, detail in _EXAMPLES
    }
    return {200: {"description": "All photos were scored", "content": _json(EXAMPLE)}, **errors}


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"example": example}}
