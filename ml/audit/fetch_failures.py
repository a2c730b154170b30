"""Images that the bucket did not give: tells a bad photo from a bad bucket."""

from sqlalchemy import Connection

from ml.errors import QuarantineReason, StorageForbidden
from ml.inference.outcome import NotFetched, Outcome
from ml.storage.images import count_fetch_failure, set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine

# So many in a row are no photo's fault: stop, rather than wait for each photo of the shard.
IN_A_ROW = 20
# Attempts of the shard's task after which a photo that alone fails is put aside.
MAX_FETCH_FAILURES = 3


class FetchFailures:
    """Collects them during a shard and settles them at its end."""

    def __init__(self) -> None:
        self._failed: list[NotFetched] = []
        self._in_a_row = 0

    def watch(self, outcome: Outcome) -> None:
        """Take note of an outcome.

        Raises:
            StorageError: the last IN_A_ROW images all failed: the bucket's own error.
        """
        if not isinstance(outcome, NotFetched):
            self._in_a_row = 0
            return
        self._failed.append(outcome)
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise outcome.error

    def settle(self, connection: Connection, run_id: str) -> tuple[int, int]:
        """Quarantine the forbidden ones and those that failed too often.

        Returns:
            How many were quarantined, how many are left for a retry.
        """
        rows = [r for f in self._failed if (r := _final(connection, run_id, f)) is not None]
        put_in_quarantine(connection, run_id, rows)
        set_outcomes(connection, run_id, [row.object_key for row in rows], "quarantined")
        return len(rows), len(self._failed) - len(rows)


def _final(connection: Connection, run_id: str, failed: NotFetched) -> QuarantineRow | None:
    image, error = failed.image, failed.error
    if isinstance(error, StorageForbidden):
        return QuarantineRow(image.object_key, image.etag, QuarantineReason.FORBIDDEN, str(error))
    if count_fetch_failure(connection, run_id, image.object_key) < MAX_FETCH_FAILURES:
        return None
    return QuarantineRow(image.object_key, image.etag, QuarantineReason.UNREACHABLE, str(error))
