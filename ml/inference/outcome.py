"""What became of one photo on its way through the pipeline."""

from dataclasses import dataclass, field

from ml.errors import ImageRejected, StorageError
from ml.screens.outcome import ScreenOutcome
from ml.storage.images import PendingImage


@dataclass(frozen=True)
class Content:
    """What the bytes of a photo are: hash, perceptual hash (hex, quality 0-100), size in pixels."""

    sha256: str
    pdq: str
    pdq_quality: int
    width: int
    height: int


@dataclass(frozen=True)
class Scored:
    """The model could judge it: calibrated probability of each class.

    `shadow_scores` are those of the shadow, where one judged it, too; `screens` the outcome of each
    screen that the policy switches on, by its name.
    """

    image: PendingImage
    content: Content
    scores: dict[str, float]
    shadow_scores: dict[str, float] | None = None
    screens: dict[str, ScreenOutcome] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """It cannot be judged; `sha256` is None where no bytes were read."""

    image: PendingImage
    sha256: str | None
    error: ImageRejected


@dataclass(frozen=True)
class NotFetched:
    """The bucket refused or did not answer; whether it is the photo or the bucket shows later."""

    image: PendingImage
    error: StorageError


Outcome = Scored | Rejected | NotFetched
