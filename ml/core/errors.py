"""The one exception tree of the project."""

from enum import StrEnum


class ModerationError(Exception):
    """Base class of all exceptions that this project raises."""


class SettingsError(ModerationError):
    """A setting or committed file is invalid; the message says how to fix it."""


class PolicyError(SettingsError):
    """The policy file is unreadable or has an unknown key or an invalid value."""


class ConnectionUnavailable(ModerationError):
    """Airflow returns no connection of the name: there is none, or a secrets back end fails."""


class ModelError(ModerationError):
    """A model version cannot be used."""


class ModelHashMismatch(ModelError):
    """The stored bytes do not have the version's hash."""


class ComputationUnavailable(ModelError):
    """This machine cannot compute a version's scores as it should."""


class NoChampion(ModelError):
    """No model version has been promoted yet."""


class PromotionConflict(ModelError):
    """Another promotion was committed first: the expected champion is no longer the champion."""


class SignalError(ModelError):
    """The model of a signal, or its card, cannot be used; names the fix."""


class PretrainedWeightsError(ModelError):
    """The pretrained weights named in the settings cannot be loaded."""


class TrainingError(ModerationError):
    """The training data or the training run is unusable."""


class LabelImportError(ModerationError):
    """A label file has invalid rows; the message lists them."""


class LabelExportError(ModerationError):
    """Labels cannot be exported into this folder; names the remedy."""


class NotEnoughLabels(ModerationError):
    """Not enough new labels since the last snapshot to retrain."""


class LeaseLost(ModerationError):
    """The reviewer no longer holds the review task: another one claimed or decided it."""


class ReplayMismatch(ModerationError):
    """A past run, replayed with the same libraries and device kind, gives other scores."""


class StorageError(ModerationError):
    """The database or the object storage rejected the operation or failed.

    `cause` is the message without its `remedy`; "" is no remedy.
    """

    def __init__(self, cause: object = "", *, remedy: str = "") -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else str(cause))
        self.cause, self.remedy = str(cause), remedy


class StorageForbidden(StorageError):
    """Credentials or permissions are missing; never reported as an absent object."""


class BucketUnusable(StorageError):
    """No request of this machine to the bucket can succeed, whatever the object."""


class BucketNotFound(BucketUnusable):
    """There is no such bucket."""


class BucketForbidden(BucketUnusable, StorageForbidden):
    """The credentials, the address or the account are refused, whatever the object."""


class ClockSkewed(BucketForbidden):
    """The clocks of this machine and of the object storage differ too much."""


class ObjectNotFound(StorageError):
    """The bucket does not hold the object."""


class ObjectChanged(StorageError):
    """The object was replaced after it was listed."""


class ObjectArchived(StorageError):
    """The object is in an archive tier, and cannot be read until it is restored."""


class StorageUnavailable(StorageError):
    """A transient failure of the database or the object storage; worth a retry."""


class StorageFull(StorageError):
    """A disk is full, that of this machine or that of the database; a retry does not help."""


class StatementCanceled(StorageError):
    """The database canceled a statement: it took too long, or an operator stopped it."""


class InvalidResponse(StorageUnavailable):
    """The response is not S3's, or not the object that was listed: never the photo's fault."""


class BackupError(ModerationError):
    """A backup cannot be created or restored; nothing was overwritten."""


class WorkerFailed(ModerationError):
    """A worker process does not start, or fails whatever its work: never the photo's fault."""


class WorkerDied(ModerationError):
    """A worker process ended during its work.

    `signal_name` is the signal that ended it, such as `SIGSEGV`, or None; `overtime` says whether
    it was ended for the time that its work took, or for its caller that waits no longer.
    """

    def __init__(self, detail: str, *, signal_name: str | None, overtime: bool) -> None:
        super().__init__(detail)
        self.signal_name, self.overtime = signal_name, overtime


class ShardIncomplete(ModerationError):
    """Some images of a shard could not be fetched; a retry continues with them."""


class BucketSuspected(ShardIncomplete):
    """Most photos of a shard fail for one reason; none of them is quarantined for it."""


class QuarantineShareExceeded(ModerationError):
    """A finished nightly run quarantined more of its photos than the policy expects."""


class RunNotStarted(ModerationError):
    """An earlier step of the run did not finish: look at that step first."""


class RejudgeFailed(ModerationError):
    """A nightly run that a rollback repeats failed or was deleted; the rollback itself holds."""


class AlertError(ModerationError):
    """An alert was not delivered."""


class AlertRejected(AlertError):
    """The webhook's receiver rejected the alert: a retry would not help."""


class AlertUnreachable(AlertError):
    """The webhook's receiver does not answer or is temporarily unavailable."""


class ReconciliationError(ModerationError):
    """The identity listed = judged + quarantined + already judged does not hold."""


class ServiceError(ModerationError):
    """An embedded server or an Airflow process did not start or stop."""


class RequestRejected(ModerationError):
    """`/predict` rejects a request with an HTTP status and a machine-readable reason.

    `detail` is one line for a person, without photo data or API key. `retry_after` are seconds;
    None if another try does not help.
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status, self.reason, self.detail = status, reason, detail
        self.retry_after = retry_after


class QuarantineReason(StrEnum):
    """Why an image could not be scored; stored in `moderation.quarantine.reason`."""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TOO_COSTLY = "too_costly"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    ANIMATED = "animated"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    OBJECT_ABSENT = "object_absent"
    OBJECT_CHANGED = "object_changed"
    OBJECT_ARCHIVED = "object_archived"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    NO_COMMERCE_ROW = "no_commerce_row"


class ImageRejected(ModerationError):
    """One photo cannot be scored: it gets a quarantine row with the reason, the run goes on.

    `detail` is one line for a person; it must not contain the photo's bytes.
    """

    def __init__(self, reason: QuarantineReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
