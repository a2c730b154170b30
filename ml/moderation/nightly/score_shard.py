"""Third step, once a shard: fetch, decode, screen, score and decide; commits in batches."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain

import structlog
from sqlalchemy import Connection

from ml.core.concurrency import ContextThreadPoolExecutor, StageTimer, batched, bounded_map
from ml.core.errors import QuarantineReason, ShardIncomplete, StorageForbidden
from ml.core.settings import Settings
from ml.core.types import NotFetched, Outcome, Shard
from ml.moderation.nightly.outcome_writer import OutcomeWriter, quarantine
from ml.moderation.pipeline.model_loading import ModelLoader, load_screens
from ml.moderation.pipeline.pipeline import Pipeline
from ml.storage import audit_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.decided_photos import decided_photos
from ml.storage.pending_images import count_fetch_failure, pending_images
from ml.storage.quarantine import QuarantineRow
from ml.vision.screens.near_duplicates import DuplicateIndex

log = structlog.get_logger()

COMMIT_BATCHES = 4  # forward batches a commit: of 32 images each, a kill repeats at most some 400
WRITES_AHEAD = 2
# So many in a row mean that the bucket fails: stop instead of waiting for each photo of the shard.
MAX_CONSECUTIVE_FAILURES = 20
# Attempts of the shard's task after which a photo that alone fails is quarantined.
MAX_FETCH_FAILURES = 3


def score_shard(shard: Shard, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Score what is still undecided in a shard. Killed and retried, it continues where it was.

    Returns the images of this attempt: `judged` and `quarantined`.

    Raises:
        ShardIncomplete: some images could not be fetched this time; a retry tries them again.
        StorageUnavailable, StorageForbidden: bucket or database as a whole.
    """
    engine, timer = connections.engine, StageTimer()
    run = in_transaction(engine, audit_runs.load, shard.run_id)
    loader = ModelLoader(run.policy, settings, connections)
    predictor = loader.load(run.model_hash)
    shadow = loader.load_shadow(run.shadow_hash)
    duplicates = run.policy.screens.duplicates.enabled
    decided = decided_photos(engine, run.policy, before=run.started_at) if duplicates else ()
    pipeline = Pipeline(
        store=connections.photos,
        predictor=predictor,
        shadow=shadow,
        settings=settings,
        picture_side=run.policy.screens.picture_side,
        screening=load_screens(run.policy, DuplicateIndex(decided), settings, timer),
        clock=timer,
    )
    writer, failures = OutcomeWriter(run, predictor, shadow), FetchFailures()
    counts = _run(shard, connections, pipeline, writer, failures)
    quarantined, left = in_transaction(engine, failures.finalize, shard.run_id)
    counts["quarantined"] += quarantined
    in_transaction(engine, audit_runs.add_seconds, shard, json.dumps(timer.drain()))
    if left:
        raise ShardIncomplete(f"{left} images of shard {shard.index} were not fetched")
    return dict(counts)


def _run(
    shard: Shard,
    connections: Connections,
    pipeline: Pipeline,
    writer: OutcomeWriter,
    failures: "FetchFailures",
) -> Counter[str]:
    """Run the pipeline over the undecided images, and write the outcomes in parallel."""
    engine, timer = connections.engine, pipeline.clock
    counts = Counter(judged=0, quarantined=0)

    def write(group: list[Outcome]) -> dict[str, int]:
        with timer.time("write"):
            return in_transaction(engine, writer.write, group)

    with (
        timer.time("wall"),
        ContextThreadPoolExecutor(1, "write") as pool,
        closing(pipeline.run(pending_images(engine, shard))) as batches,
    ):
        groups = (list(chain.from_iterable(some)) for some in batched(batches, COMMIT_BATCHES))
        for written in bounded_map(pool, write, failures.observe(groups), ahead=WRITES_AHEAD):
            counts.update(written)
            log.info("scoring", done=counts.total(), of=shard.images)
    return counts


class FetchFailures:
    """Collects the failed fetches of a shard; distinguishes a bad photo from a bad bucket."""

    def __init__(self) -> None:
        self._failed: list[NotFetched] = []

    def observe(self, groups: Iterable[list[Outcome]]) -> Iterator[list[Outcome]]:
        """Return the groups unchanged, and record what was not fetched.

        Raises:
            StorageError: the last MAX_CONSECUTIVE_FAILURES images all failed; the bucket's error.
        """
        consecutive = 0
        for group in groups:
            for outcome in group:
                if not isinstance(outcome, NotFetched):
                    consecutive = 0
                    continue
                self._failed.append(outcome)
                consecutive += 1
                if consecutive >= MAX_CONSECUTIVE_FAILURES:
                    raise outcome.error
            yield group

    def finalize(self, connection: Connection, run_id: str) -> tuple[int, int]:
        """Quarantine the forbidden images and those that failed too often.

        Returns how many were quarantined, and how many are left for a retry.
        """
        checked = [_quarantine_row(connection, run_id, failed) for failed in self._failed]
        rows = [row for row in checked if row is not None]
        quarantine(connection, run_id, rows)
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
