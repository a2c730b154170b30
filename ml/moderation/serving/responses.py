"""Response models of `/predict` with examples, and their construction from verdicts."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import Field

from ml.core.errors import QuarantineReason
from ml.core.types import RejectedImage
from ml.core.yaml_file import StrictModel
from ml.moderation.serving.loaded_model import LoadedModel
from ml.moderation.serving.prediction_service import Photo, Prediction
from ml.policy.verdict import Decision

_MAX_TEXT = 200  # characters of a name or detail
# Status of a response with a photo that could not be scored; all other reasons are 422.
_STATUS = {
    QuarantineReason.TOO_MANY_BYTES: 413,
    QuarantineReason.TOO_MANY_PIXELS: 413,
    QuarantineReason.NOT_AN_IMAGE: 415,
    QuarantineReason.UNSUPPORTED_FORMAT: 415,
    QuarantineReason.OBJECT_ABSENT: 404,
    QuarantineReason.OBJECT_CHANGED: 409,
    QuarantineReason.FORBIDDEN: 503,
    QuarantineReason.UNREACHABLE: 503,
}
_UNPROCESSABLE = 422

Result = Literal["violate", "normal"]


class Screen(StrictModel):
    """Result of a screen: `fired`, `clear`, `unknown` or `not_run`, and the reason."""

    state: str
    reason: str | None


class VerdictBody(StrictModel):
    """The verdict on one photo.

    `result` is `normal` only for a photo that passed; a photo for review is `violate`.
    `confidence` is the probability of the likeliest class, `violation_score` the sum of the
    violation classes' probabilities.
    """

    result: Result
    decision: Literal["pass", "review", "block"]
    reasons: list[str]
    confidence: float = Field(ge=0, le=1)
    scores: dict[str, float]
    violation_score: float


class ScoredPhoto(VerdictBody):
    """A photo with a verdict; `recorded`: whether the verdict is stored in the database."""

    name: str
    content_sha256: str
    screens: dict[str, Screen]
    recorded: bool


class RejectedPhoto(StrictModel):
    """A photo that could not be scored; `reason` is the nightly run's quarantine reason."""

    name: str
    reason: QuarantineReason
    detail: str


class PredictResponse(VerdictBody):
    """All photos of a request; the fields of the verdict are those of the most severe one."""

    request_id: str
    model_version: str
    policy_version: str
    photos: list[ScoredPhoto]


class Problem(StrictModel):
    """Why a request failed: a machine-readable reason and a text."""

    reason: str
    detail: str


class ErrorResponse(StrictModel):
    """Body of every error response; `photos` has the results of a request that was processed."""

    error: Problem
    request_id: str
    model_version: str | None = None
    policy_version: str | None = None
    photos: list[ScoredPhoto | RejectedPhoto] = Field(default_factory=list)


def scored_photo(name: str, photo: Prediction, *, recorded: bool) -> ScoredPhoto:
    """Response body of one verdict."""
    verdict, scored = photo.verdict, photo.photo
    return ScoredPhoto(
        result="normal" if verdict.decision is Decision.PASS else "violate",
        decision=verdict.decision.value,
        reasons=list(verdict.reasons),
        confidence=max(scored.scores.values()),
        scores=scored.scores,
        violation_score=verdict.violation_score,
        name=name[:_MAX_TEXT],
        content_sha256=scored.content.sha256,
        screens={
            screen: Screen(state=outcome.state.value, reason=outcome.reason)
            for screen, outcome in scored.screens.items()
        },
        recorded=recorded,
    )


def predict_response(
    request_id: str,
    version: LoadedModel,
    names: Sequence[str],
    photos: Sequence[Photo],
    recorded: Collection[str],
) -> tuple[int, PredictResponse | ErrorResponse]:
    """Status and body: 200 if every photo has a verdict, else the status of a rejected photo."""
    results = [
        _rejected_photo(name, photo)
        if isinstance(photo, RejectedImage)
        else scored_photo(name, photo, recorded=photo.photo.image.object_key in recorded)
        for name, photo in zip(names, photos, strict=True)
    ]
    model_version, policy_version = version.names
    common = {
        "request_id": request_id,
        "model_version": model_version,
        "policy_version": policy_version,
    }
    scored = [photo for photo in results if isinstance(photo, ScoredPhoto)]
    rejected = [photo for photo in results if isinstance(photo, RejectedPhoto)]
    if not rejected:
        worst = max(scored, key=_severity)
        verdict = worst.model_dump(include=set(VerdictBody.model_fields))
        return 200, PredictResponse(**verdict, **common, photos=scored)
    status = max((_STATUS.get(p.reason, _UNPROCESSABLE) for p in rejected), key=_is_server_error)
    first = next(p for p in rejected if _STATUS.get(p.reason, _UNPROCESSABLE) == status)
    problem = Problem(reason=first.reason.value, detail=first.detail)
    return status, ErrorResponse(error=problem, **common, photos=results)


def _severity(photo: ScoredPhoto) -> tuple[int, float]:
    return Decision(photo.decision).severity, photo.violation_score


def _is_server_error(status: int) -> bool:
    """Server errors have precedence over the caller's errors: a retry of the request may help."""
    return status >= 500  # noqa: PLR2004 - the first of HTTP's server errors


def _rejected_photo(name: str, photo: RejectedImage) -> RejectedPhoto:
    error = photo.error
    return RejectedPhoto(
        name=name[:_MAX_TEXT], reason=error.reason, detail=error.detail[:_MAX_TEXT]
    )


_VERDICT_EXAMPLE: dict[str, Any] = {
    "result": "violate",
    "decision": "review",
    "reasons": ["violation:violate", "contact:phone"],
    "confidence": 0.93,
    "scores": {"normal": 0.07, "violate": 0.93},
    "violation_score": 0.93,
}
EXAMPLE: dict[str, Any] = {
    **_VERDICT_EXAMPLE,
    "request_id": "0b5d4f0c6d0f4e0c9f7b1f5ef8f0a9b2",
    "model_version": "4f1c" * 16,
    "policy_version": "9ae2" * 16,
    "photos": [
        {
            **_VERDICT_EXAMPLE,
            "name": "photo.jpg",
            "content_sha256": "c0de" * 16,
            "screens": {
                "sharpness": {"state": "clear", "reason": None},
                "text": {"state": "fired", "reason": "contact:phone"},
            },
            "recorded": False,
        }
    ],
}


def error_example(reason: str, detail: str) -> dict[str, Any]:
    """Example of an error response for the API description."""
    problem = Problem(reason=reason, detail=detail)
    return ErrorResponse(error=problem, request_id=EXAMPLE["request_id"]).model_dump(mode="json")
