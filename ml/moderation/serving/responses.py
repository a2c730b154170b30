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

_SERVER_ERROR = 500  # the first of HTTP's server errors
_MAX_TEXT = 200  # characters of a name or detail
_STATUS = {
    QuarantineReason.TOO_MANY_BYTES: 413,
    QuarantineReason.TOO_MANY_PIXELS: 413,
    QuarantineReason.NOT_AN_IMAGE: 415,
    QuarantineReason.UNSUPPORTED_FORMAT: 415,
    QuarantineReason.OBJECT_ABSENT: 404,
    QuarantineReason.OBJECT_CHANGED: 409,
    QuarantineReason.OBJECT_ARCHIVED: 409,
    QuarantineReason.FORBIDDEN: 503,
    QuarantineReason.UNREACHABLE: 503,
}


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

    result: Literal["violate", "normal"]
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

    @property
    def status(self) -> int:
        """HTTP status of a response with this photo."""
        return _STATUS.get(self.reason, 422)


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


def _scored_photo(name: str, photo: Prediction, *, recorded: bool) -> ScoredPhoto:
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
            screen: Screen(state=result.state.value, reason=result.reason)
            for screen, result in scored.screens.items()
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
        else _scored_photo(name, photo, recorded=photo.photo.image.object_key in recorded)
        for name, photo in zip(names, photos, strict=True)
    ]
    model, policy = version.names
    common = {"request_id": request_id, "model_version": model, "policy_version": policy}
    scored = [photo for photo in results if isinstance(photo, ScoredPhoto)]
    rejected = [photo for photo in results if isinstance(photo, RejectedPhoto)]
    if not rejected:
        worst = max(scored, key=lambda p: (Decision(p.decision).severity, p.violation_score))
        verdict = worst.model_dump(include=set(VerdictBody.model_fields))
        return 200, PredictResponse(**verdict, **common, photos=scored)
    # Server errors have precedence over the caller's errors: a retry of the request may help.
    first = max(rejected, key=lambda photo: photo.status >= _SERVER_ERROR)
    problem = Problem(reason=first.reason.value, detail=first.detail)
    return first.status, ErrorResponse(error=problem, **common, photos=results)


def error_response(reason: str, detail: str, request_id: str) -> dict[str, Any]:
    """Body of an error response without photos, as JSON."""
    problem = Problem(reason=reason, detail=detail)
    return ErrorResponse(error=problem, request_id=request_id).model_dump(mode="json")


def _rejected_photo(name: str, photo: RejectedImage) -> RejectedPhoto:
    detail = photo.error.detail[:_MAX_TEXT]
    return RejectedPhoto(name=name[:_MAX_TEXT], reason=photo.error.reason, detail=detail)


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
