"""Types that several packages share: photos, outcomes, screen results and alerts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ml.core.errors import ImageRejected, StorageError

if TYPE_CHECKING:  # the pages of the plugins import this without numpy
    import numpy as np
    import numpy.typing as npt

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ArchitectureName = Literal["resnet18", "efficientnet_lite0"]
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Evidence = dict[str, Json]


@dataclass(frozen=True)
class PendingImage:
    """One object to fetch and score."""

    object_key: str
    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Shard:
    """The images of a run with keys from `first_key` to `last_key`, both inclusive."""

    run_id: str
    index: int
    first_key: str
    last_key: str
    images: int


@dataclass(frozen=True)
class ImageContent:
    """Content of a photo: hash, perceptual hash (hex, quality 0 to 100) and size in pixels."""

    sha256: str
    pdq: str
    pdq_quality: int
    width: int
    height: int


OVER_BUDGET = "budget"  # reason of a screen that ran out of time
NOT_NEEDED = "not_needed"  # reason of a screen left out: the photo does not pass anyway
UNJUDGED = "unjudged"  # a reason of a photo that was not judged wholly begins with it


class ScreenStatus(StrEnum):
    """Status of a screen on one photo."""

    FIRED = "fired"  # it found something
    CLEAR = "clear"  # it found nothing; that is no approval
    UNKNOWN = "unknown"  # it failed
    NOT_RUN = "not_run"  # it was skipped, for lack of time or of need


@dataclass(frozen=True)
class ScreenResult:
    """Result of one screen; made by `positive`, `negative`, `not_run`, `unknown`, `screen_failed`.

    `reason` is machine-readable, such as `contact:phone`; None if the state is `CLEAR`. `value` is
    the measured value, if there is one; `evidence` holds details for reviewers and replays.
    """

    name: str
    state: ScreenStatus
    reason: str | None
    value: float | None
    evidence: Evidence = field(default_factory=dict)

    @property
    def fired(self) -> bool | None:
        """True if the screen fired, False if it is clear, None if it failed or did not run."""
        return {ScreenStatus.FIRED: True, ScreenStatus.CLEAR: False}.get(self.state)

    def to_json(self) -> dict[str, Json]:
        """JSON for `moderation.verdict`; values that PostgreSQL's JSON rejects are replaced."""
        return {
            "state": self.state.value,
            "fired": self.fired,
            "reason": self.reason,
            "value": _storable(self.value),
            "evidence": _storable(self.evidence),
        }


def screen_result_from_json(name: str, stored: dict[str, Any]) -> ScreenResult:
    """Parse what `ScreenResult.to_json` wrote."""
    return ScreenResult(
        name, ScreenStatus(stored["state"]), stored["reason"], stored["value"], stored["evidence"]
    )


def positive(
    name: str, reason: str, value: float | None = None, evidence: Evidence | None = None
) -> ScreenResult:
    """The screen fired: a reviewer must see the photo."""
    return ScreenResult(name, ScreenStatus.FIRED, reason, value, evidence or {})


def negative(
    name: str, value: float | None = None, evidence: Evidence | None = None
) -> ScreenResult:
    """The screen found nothing that needs a review; it may still give evidence."""
    return ScreenResult(name, ScreenStatus.CLEAR, None, value, evidence or {})


def not_run(name: str, reason: str, evidence: Evidence | None = None) -> ScreenResult:
    """The screen was skipped, for lack of time or of need (`NOT_NEEDED`)."""
    return ScreenResult(name, ScreenStatus.NOT_RUN, reason, None, evidence or {})


def unknown(name: str, reason: str, evidence: Evidence | None = None) -> ScreenResult:
    """The screen could not examine the photo."""
    return ScreenResult(name, ScreenStatus.UNKNOWN, reason, None, evidence or {})


def screen_failed(name: str, error: Exception) -> ScreenResult:
    """The screen raised an error; the first line of its message becomes evidence."""
    message = (str(error).splitlines() or [""])[0][:200]
    return unknown(name, "failed", {"error": f"{type(error).__name__}: {message}"})


def _storable(value: Json) -> Json:
    """Replace NUL characters, lone surrogates, NaN and infinities."""
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@dataclass(frozen=True)
class Scored:
    """A scored photo, with the calibrated probability of each class.

    `shadow_scores` are those of the shadow model, if it scored the photo; `screens` maps the name
    of each enabled screen to its result. `features` (F,) and a small gray `picture` (H, W) are
    there where the predictor computes features.
    """

    image: PendingImage
    content: ImageContent
    scores: dict[str, float]
    shadow_scores: dict[str, float] | None = None
    screens: dict[str, ScreenResult] = field(default_factory=dict)
    features: "npt.NDArray[np.float32] | None" = field(default=None, compare=False)
    picture: "npt.NDArray[np.uint8] | None" = field(default=None, compare=False)


@dataclass(frozen=True)
class RejectedImage:
    """A photo that cannot be scored; `sha256` is None if no bytes were read."""

    image: PendingImage
    sha256: str | None
    error: ImageRejected


@dataclass(frozen=True)
class NotFetched:
    """The bucket did not return the object; the caller decides whether the photo is at fault."""

    image: PendingImage
    error: StorageError


Outcome = Scored | RejectedImage | NotFetched


@dataclass(frozen=True)
class DecidedPhoto:
    """A photo with a reviewer's decision: content hash, PDQ hash (hex) and its quality."""

    content_sha256: str
    pdq: str
    pdq_quality: int
    blocked: bool


@dataclass(frozen=True)
class ListedHash:
    """A hash of the outside list `source`; `kind` is `pdq`, `md5` or `sha256`."""

    kind: str
    hash: str
    source: str


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch; losses in nats, accuracies 0..1, training ones on augmented photos."""

    number: int
    epochs: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


class AlertKind(StrEnum):
    """Kinds of alerts; docs/runbook.md has an entry for each."""

    RUN_LATE = "run_late"
    IDENTITY_BROKEN = "identity_broken"
    RUN_FAILED = "run_failed"
    QUARANTINE_SHARE = "quarantine_share"
    REVIEW_RATE = "review_rate"
    LEAK_BOUND = "leak_bound"
    QUEUE_AGE = "queue_age"
    PROMOTION_AGE = "promotion_age"
    POLICY_INVALID = "policy_invalid"


@dataclass(frozen=True)
class Alert:
    """An alert, identified by `kind` and `dedup_key`: the same pair is the same alert.

    `details` are the values of its message; plain JSON values.
    """

    kind: AlertKind
    dedup_key: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`kind` and `dedup_key` in one string."""
        return f"{self.kind.value}:{self.dedup_key}"
