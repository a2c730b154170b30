"""The one exception tree of the project.

ModerationError
├── SettingsError            a setting or committed file is wrong; the message carries the remedy
│   └── PolicyError          config/policy.yaml
├── ModelError               a model version cannot be used
│   ├── ModelHashMismatch    bytes are not those that the version names
│   ├── NoChampion           no version has been promoted yet
│   ├── ChampionChanged      another promotion came first
│   └── StartWeightsError    the named start weights cannot be loaded
├── TrainingError            the training data or run is unusable
├── LabelsRefused            a file of labels has lines that cannot be taken; lists them
├── TooFewLabels             a month without enough new labels: nothing to learn from
├── LeaseLost                a review task went to another reviewer meanwhile
├── ReplayDiffers            a past run, judged again, gives other scores
├── ImageRejected            one photo cannot be judged: a quarantine row, never a crash
├── StorageError
│   ├── StorageForbidden     credentials or rights are missing (never reported as absent)
│   ├── ObjectAbsent         the object is not there (any more)
│   ├── ObjectChanged        the object was replaced since it was listed
│   └── StorageUnavailable   transient: worth a retry
├── BackupError              a backup cannot be taken or restored; nothing was written over
├── RequestRefused           /predict does not take a request: HTTP status and reason
├── ShardIncomplete          transient: a shard ended with images still to judge
├── RunNotBegun              an earlier step of the run did not finish
├── AlertError               an alert was not delivered; it is kept and tried again
│   ├── AlertRefused         the webhook's receiver says no
│   └── AlertUnreachable     transient: worth a retry
├── ReconciliationError      the accounting identity does not hold
└── ServiceError             an embedded server or Airflow process did not start or stop
"""

from enum import StrEnum


class ModerationError(Exception):
    """Root of everything this project raises on purpose."""


class SettingsError(ModerationError):
    """A setting or committed file is wrong; the message carries the remedy."""


class PolicyError(SettingsError):
    """The policy file is unreadable, has an unknown key or an impossible range."""


class ModelError(ModerationError):
    """A model version cannot be used."""


class ModelHashMismatch(ModelError):
    """The stored bytes are not those that the version's hash names."""


class NoChampion(ModelError):
    """No model version has been promoted yet."""


class ChampionChanged(ModelError):
    """Another promotion came first: what was compared with is no longer the champion."""


class StartWeightsError(ModelError):
    """The start weights named in settings cannot be loaded."""


class TrainingError(ModerationError):
    """The training data or the training run is unusable."""


class LabelsRefused(ModerationError):
    """A file of labels has lines that cannot be taken; the message lists them."""


class TooFewLabels(ModerationError):
    """Not enough new labels since the last snapshot: there is nothing to learn from."""


class LeaseLost(ModerationError):
    """The review task is not (any longer) the reviewer's: another person has or decided it."""


class ReplayDiffers(ModerationError):
    """A past run, judged again on the same libraries and device kind, gives other scores."""


class StorageError(ModerationError):
    """The database or the object storage refused or failed."""


class StorageForbidden(StorageError):
    """Credentials or rights are missing; never reported as absent."""


class ObjectAbsent(StorageError):
    """The object is not in the bucket (any more)."""


class ObjectChanged(StorageError):
    """The object was replaced after it was listed."""


class StorageUnavailable(StorageError):
    """A transient failure of database or object storage; worth a retry."""


class BackupError(ModerationError):
    """A backup cannot be taken or restored; nothing was written over."""


class ShardIncomplete(ModerationError):
    """Some images of a shard could not be reached this time; a retry continues with them."""


class RunNotBegun(ModerationError):
    """An earlier step of the run did not finish: look there first."""


class AlertError(ModerationError):
    """An alert was not delivered."""


class AlertRefused(AlertError):
    """The webhook's receiver answered, and says no: the same again would be no better."""


class AlertUnreachable(AlertError):
    """The webhook's receiver does not answer, or says that it cannot just now."""


class ReconciliationError(ModerationError):
    """listed = judged + quarantined + already judged does not hold."""


class ServiceError(ModerationError):
    """An embedded server or an Airflow process did not start or stop."""


class RequestRefused(ModerationError):
    """`/predict` does not take a request.

    Args:
        status: HTTP status, 400 to 599.
        reason: machine-readable.
        detail: one line for a person; holds nothing of the photo and no key.
        retry_after: seconds after which to try again, where that helps.
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


class QuarantineReason(StrEnum):
    """Why an image could not be judged; stored in `moderation.quarantine.reason`."""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    ANIMATED = "animated"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    OBJECT_ABSENT = "object_absent"
    OBJECT_CHANGED = "object_changed"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    NO_COMMERCE_ROW = "no_commerce_row"


class ImageRejected(ModerationError):
    """One photo cannot be judged.

    Args:
        reason: machine-readable reason of the quarantine row.
        detail: one line for a person; must not hold the photo's bytes.
    """

    def __init__(self, reason: QuarantineReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
