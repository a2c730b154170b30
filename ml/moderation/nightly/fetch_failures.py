"""Failed fetches of a shard: distinguishes a bad photo from a bad bucket."""

from sqlalchemy import Connection

from ml.core.errors import QuarantineReason, StorageForbidden
from ml.core.types import NotFetched, Outcome
from ml.storage.pending_images import count_fetch_failure, set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine

# So many in a row mean that the bucket fails: stop instead of waiting for each photo of the shard.
MAX_CONSECUTIVE_FAILURES = 20
# Attempts of the shard's task after which a photo that alone fails is quarantined.
MAX_FETCH_FAILURES = 3


class FetchFailures:
    """Collects the failed fetches of a shard, and finalizes them at its end."""

    def __init__(self) -> None:
        self._failed: list[NotFetched] = []
        self._consecutive = 0

    def observe(self, outcome: Outcome) -> None:
        """Record an outcome.

        Raises:
            StorageError: the last MAX_CONSECUTIVE_FAILURES images all failed; the bucket's error.
        """
        if not isinstance(outcome, NotFetched):
            self._consecutive = 0
            return
        self._failed.append(outcome)
        self._consecutive += 1
        if self._consecutive >= MAX_CONSECUTIVE_FAILURES:
            raise outcome.error

    def finalize(self, connection: Connection, run_id: str) -> tuple[int, int]:
        """Quarantine the forbidden images and those that failed too often.

        Returns:
            How many were quarantined, how many are left for a retry.
        """
        checked = [_quarantine_row(connection, run_id, failed) for failed in self._failed]
        rows = [row for row in checked if row is not None]
        put_in_quarantine(connection, run_id, rows)
        set_outcomes(connection, run_id, [row.object_key for row in rows], "quarantined")
        return len(rows), len(self._failed) - len(rows)


def _quarantine_row(
    connection: Connection, run_id: str, failed: NotFetched
) -> QuarantineRow | None:
    image, error = failed.image, failed.error
    if isinstance(error, StorageForbidden):
        return QuarantineRow(image.object_key, image.etag, QuarantineReason.FORBIDDEN, str(error))
    if count_fetch_failure(connection, run_id, image.object_key) < MAX_FETCH_FAILURES:
        return None
    return QuarantineRow(image.object_key, image.etag, QuarantineReason.UNREACHABLE, str(error))
