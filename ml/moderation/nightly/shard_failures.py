"""The photos of a shard that got no scores: distinguishes bad photos from a bad bucket."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from ml.core.errors import (
    BucketSuspected,
    BucketUnusable,
    QuarantineReason,
    ShardIncomplete,
    StorageForbidden,
)
from ml.core.types import NotFetched, Outcome, PendingImage, RejectedImage, Scored, Shard
from ml.storage.pending_images import count_fetch_failure, set_outcomes
from ml.storage.quarantine import QuarantineRow, find_quarantined, put_in_quarantine

# After so many in a row one photo at the shard's end is tried, instead of waiting for each.
MAX_CONSECUTIVE_FAILURES = 20
# Attempts of the shard's task after which a photo that alone fails is quarantined.
MAX_FETCH_FAILURES = 3
# Fewer photos say nothing about the bucket.
MIN_SUSPICIOUS_FAILURES = 5

# What a bad bucket, or a proxy before it, can make of good photos. An archived object, a format or
# a size in pixels is the object's own.
_SUSPICIOUS = frozenset(
    {
        QuarantineReason.EMPTY,
        QuarantineReason.NOT_AN_IMAGE,
        QuarantineReason.TRUNCATED,
        QuarantineReason.CORRUPT,
        QuarantineReason.OBJECT_ABSENT,
        QuarantineReason.OBJECT_CHANGED,
        QuarantineReason.FORBIDDEN,
        QuarantineReason.UNREACHABLE,
    }
)


@dataclass(frozen=True)
class _Failure:
    """One photo; without the exception, whose traceback would keep the photo's bytes."""

    image: PendingImage
    reason: QuarantineReason
    detail: str

    @property
    def row(self) -> QuarantineRow:
        return QuarantineRow(self.image.object_key, self.image.etag, self.reason, self.detail)


class ShardFailures:
    """Collects the failures of a shard, and settles them when all of its photos were tried.

    `max_share` is the share of the shard's photos up to which one reason may fail them;
    `bucket_answers` fetches one photo and says whether the bucket answered.
    """

    def __init__(
        self, shard: Shard, *, max_share: float, bucket_answers: Callable[[], bool]
    ) -> None:
        self._shard, self._max_share = shard, max_share
        self._bucket_answers = bucket_answers
        self._failures: list[_Failure] = []
        self._known: set[tuple[str, str]] = set()  # (key, ETag): an earlier run quarantined them
        self._consecutive = 0

    def take(self, groups: Iterable[list[Outcome]]) -> Iterator[list[Scored]]:
        """Yield the scored photos of each group, and keep what failed.

        Raises:
            BucketUnusable: at once.
            StorageError: MAX_CONSECUTIVE_FAILURES in a row, and the shard's last photo fails too.
        """
        for group in groups:
            for outcome in group:
                if isinstance(outcome, NotFetched):
                    self._take_not_fetched(outcome)
                    continue
                self._consecutive = 0
                if isinstance(outcome, RejectedImage):
                    error = outcome.error
                    self._failures.append(_Failure(outcome.image, error.reason, error.detail))
            yield [outcome for outcome in group if isinstance(outcome, Scored)]

    def _take_not_fetched(self, failed: NotFetched) -> None:
        error = failed.error
        if isinstance(error, BucketUnusable):
            raise error
        forbidden = isinstance(error, StorageForbidden)
        reason = QuarantineReason.FORBIDDEN if forbidden else QuarantineReason.UNREACHABLE
        self._failures.append(_Failure(failed.image, reason, str(error)))
        self._consecutive += 1
        if self._consecutive >= MAX_CONSECUTIVE_FAILURES:
            if not self._bucket_answers():
                raise error
            self._consecutive = 0

    def settle(self, connection: Connection) -> tuple[int, int]:
        """Quarantine what is the photos' own fault, and what could not be fetched too often.

        Returns how many were quarantined, and how many are left for a retry.
        """
        rows = [failure.row for failure in self._failures]
        self._known = find_quarantined(connection, rows, run_id=self._shard.run_id)
        suspected = self._suspected()
        clear = [failure for failure in self._failures if failure.reason not in suspected]
        rows = [failure.row for failure in clear if self._is_final(connection, failure)]
        put_in_quarantine(connection, self._shard.run_id, rows)
        keys = [row.object_key for row in rows]
        set_outcomes(connection, self._shard.run_id, keys, "quarantined")
        return len(rows), len(self._failures) - len(rows)

    def check(self, left: int) -> None:
        """Raise if photos are left for a retry.

        Raises:
            BucketSuspected: most of the shard's photos, for one reason.
            ShardIncomplete: some.
        """
        if suspected := self._suspected():
            raise BucketSuspected(self._describe(max(suspected, key=suspected.__getitem__)))
        if left:
            raise ShardIncomplete(f"{left} images of shard {self._shard.index} were not fetched")

    def _is_final(self, connection: Connection, failure: _Failure) -> bool:
        if failure.reason is not QuarantineReason.UNREACHABLE:
            return True
        key = failure.image.object_key
        return count_fetch_failure(connection, self._shard.run_id, key) >= MAX_FETCH_FAILURES

    def _suspected(self) -> dict[QuarantineReason, int]:
        """Photos by reason, of the reasons that fail most of the shard's photos."""
        counts = Counter(
            failure.reason
            for failure in self._failures
            if (failure.image.object_key, failure.image.etag) not in self._known
        )
        max_failures = self._max_share * (self._shard.images - len(self._known))
        return {
            reason: count
            for reason, count in counts.items()
            if reason in _SUSPICIOUS and count >= MIN_SUSPICIOUS_FAILURES and count > max_failures
        }

    def _describe(self, reason: QuarantineReason) -> str:
        found = [failure for failure in self._failures if failure.reason is reason]
        first, shard = found[0], self._shard
        return (
            f"{len(found):,} of {shard.images:,} photos of shard {shard.index} fail with "
            f"`{reason.value}`: the bucket is suspected, and none of them is quarantined. The "
            f"first is {first.image.object_key}: {first.detail}. Check what the bucket returns for "
            "it, then clear the task; if these photos really are so, raise "
            "alerts.max_failure_share of the policy first"
        )
