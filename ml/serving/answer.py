"""What `/predict` answers: models with their examples, and how verdicts become them."""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.errors import QuarantineReason
from ml.inference.outcome import Rejected
from ml.policy.verdict import Decision
from ml.serving.judging import Judged, Photo
from ml.serving.version import Version

_SHOWN = 200  # characters of a name or detail
# The status of an answer with a photo that could not be judged; all other reasons are 422.
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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Screen(_Strict):
    """What a screen said: `fired`, `quiet`, `unknown` or `not_run`, and why."""

    state: str
    reason: str | None


class Judgement(_Strict):
    """The verdict on one photo.

    `result` is `normal` only for a photo that passed; one for a person's eyes is `violate`.
    `confidence` is the probability of the likeliest class, `violation_score` the sum of the
    violation classes' probabilities.
    """

    result: Result
    decision: Literal["pass", "review", "block"]
    reasons: list[str]
    confidence: float = Field(ge=0, le=1)
    scores: dict[str, float]
    violation_score: float


class JudgedPhoto(Judgement):
    """A photo that was judged; `recorded` says that the ledger holds the verdict."""

    name: str
    content_sha256: str
    screens: dict[str, Screen]
    recorded: bool


class RejectedPhoto(_Strict):
    """A photo that could not be judged; `reason` is that of the night's quarantine."""

    name: str
    reason: QuarantineReason
    detail: str


class Answer(Judgement):
    """All photos of a request. At the top stands the gravest verdict: with one photo, its own."""

    request_id: str
    model_version: str
    policy_version: str
    photos: list[JudgedPhoto]


class Problem(_Strict):
    """Why a request was not answered, for machine and person."""

    reason: str
    detail: str


class Refusal(_Strict):
    """The body of every answer that is no success; `photos` where some of them were looked at."""

    error: Problem
    request_id: str
    model_version: str | None = None
    policy_version: str | None = None
    photos: list[JudgedPhoto | RejectedPhoto] = []


def judged_photo(name: str, photo: Judged, *, recorded: bool) -> JudgedPhoto:
    """One verdict as it is answered."""
    verdict, scored = photo.verdict, photo.photo
    return JudgedPhoto(
        result="normal" if verdict.decision is Decision.PASS else "violate",
        decision=verdict.decision.value,
        reasons=list(verdict.reasons),
        confidence=max(scored.scores.values()),
        scores=scored.scores,
        violation_score=verdict.violation_score,
        name=name[:_SHOWN],
        content_sha256=scored.content.sha256,
        screens={
            screen: Screen(state=outcome.state.value, reason=outcome.reason)
            for screen, outcome in scored.screens.items()
        },
        recorded=recorded,
    )


def answer(
    request_id: str,
    version: Version,
    names: Sequence[str],
    photos: Sequence[Photo],
    recorded: Collection[str],
) -> tuple[int, Answer | Refusal]:
    """Status and body: 200 with every photo judged, else the status of the first that was not."""
    shown = [
        _rejected_photo(name, photo)
        if isinstance(photo, Rejected)
        else judged_photo(name, photo, recorded=photo.photo.image.object_key in recorded)
        for name, photo in zip(names, photos, strict=True)
    ]
    model_version, policy_version = version.names
    common = {
        "request_id": request_id,
        "model_version": model_version,
        "policy_version": policy_version,
    }
    judged = [photo for photo in shown if isinstance(photo, JudgedPhoto)]
    rejected = [photo for photo in shown if isinstance(photo, RejectedPhoto)]
    if not rejected:
        gravest = max(judged, key=_gravity)
        top = gravest.model_dump(include=set(Judgement.model_fields))
        return 200, Answer(**top, **common, photos=judged)
    status = max((_STATUS.get(p.reason, _UNPROCESSABLE) for p in rejected), key=_server_first)
    first = next(p for p in rejected if _STATUS.get(p.reason, _UNPROCESSABLE) == status)
    problem = Problem(reason=first.reason.value, detail=first.detail)
    return status, Refusal(error=problem, **common, photos=shown)


def _gravity(photo: JudgedPhoto) -> tuple[int, float]:
    return Decision(photo.decision).severity, photo.violation_score


def _server_first(status: int) -> bool:
    """Ours before the caller's: the request is worth another try."""
    return status >= 500  # noqa: PLR2004 - where HTTP's server errors begin


def _rejected_photo(name: str, photo: Rejected) -> RejectedPhoto:
    error = photo.error
    return RejectedPhoto(name=name[:_SHOWN], reason=error.reason, detail=error.detail[:_SHOWN])


_JUDGEMENT: dict[str, Any] = {
    "result": "violate",
    "decision": "review",
    "reasons": ["violation:violate", "contact:phone"],
    "confidence": 0.93,
    "scores": {"normal": 0.07, "violate": 0.93},
    "violation_score": 0.93,
}
EXAMPLE: dict[str, Any] = {
    **_JUDGEMENT,
    "request_id": "0b5d4f0c6d0f4e0c9f7b1f5ef8f0a9b2",
    "model_version": "4f1c" * 16,
    "policy_version": "9ae2" * 16,
    "photos": [
        {
            **_JUDGEMENT,
            "name": "photo.jpg",
            "content_sha256": "c0de" * 16,
            "screens": {
                "sharpness": {"state": "quiet", "reason": None},
                "text": {"state": "fired", "reason": "contact:phone"},
            },
            "recorded": False,
        }
    ],
}


def refusal_example(reason: str, detail: str) -> dict[str, Any]:
    """A refusal as the documentation shows it."""
    problem = Problem(reason=reason, detail=detail)
    return Refusal(error=problem, request_id=EXAMPLE["request_id"]).model_dump(mode="json")
