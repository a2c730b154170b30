"""Third step, once a shard: fetch, decode, screen, score and decide; commits in batches."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice

import structlog

from ml.core.concurrency import ContextThreadPoolExecutor, StageTimer, bounded_map
from ml.core.errors import ShardIncomplete
from ml.core.settings import Settings
from ml.core.types import Outcome, Shard
from ml.models import registry
from ml.models.card import check_classes
from ml.models.predictor import Predictor, resolve_device
from ml.moderation.nightly.fetch_failures import FetchFailures
from ml.moderation.nightly.outcome_writer import OutcomeWriter
from ml.moderation.nightly.preflight import best_effort
from ml.moderation.pipeline.pipeline import Pipeline
from ml.policy.schema import Policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.decided_photos import decided_photos
from ml.storage.pending_images import pending_images
from ml.vision.images.decode import decode_limits
from ml.vision.screens.near_duplicates import DuplicateIndex
from ml.vision.screens.runner import ScreenRunner

log = structlog.get_logger()

COMMIT_BATCHES = 4  # forward batches a commit: of 32 images each, a kill repeats at most some 400
WRITES_AHEAD = 2


def score_shard(shard: Shard, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Score what is still undecided in a shard. Killed and retried, it continues where it was.

    Returns:
        Images of this attempt: scored, quarantined.

    Raises:
        ShardIncomplete: some images could not be fetched this time; a retry tries them again.
        StorageUnavailable, StorageForbidden: bucket or database as a whole.
    """
    run = in_transaction(connections.engine, lambda c: audit_runs.load(c, shard.run_id))
    timer = StageTimer()
    predictor = _load_predictor(run.model_hash, run.policy, settings, connections)
    shadow = _load_shadow(run, settings, connections)
    pipeline = Pipeline(
        store=connections.photos,
        predictor=predictor,
        shadow=shadow,
        limits=decode_limits(settings),
        fetch_threads=settings.fetch_threads,
        decode_threads=settings.decode_threads,
        picture_side=run.policy.screens.picture_side,
        screening=_load_screens(run, settings, connections, timer),
        clock=timer,
    )
    writer = OutcomeWriter(run, predictor=predictor, shadow=shadow, connections=connections)
    return _ShardScoring(shard, pipeline, writer, timer, connections).run()


def _load_predictor(
    model_hash: str, policy: Policy, settings: Settings, connections: Connections
) -> Predictor:
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    return Predictor(
        checkpoint, device=resolve_device(settings.device), batch_size=settings.batch_size
    )


def _load_shadow(run: AuditRun, settings: Settings, connections: Connections) -> Predictor | None:
    """The run's shadow; None if it has none, or if it can no longer be used."""
    model_hash = run.shadow_hash
    if model_hash is None:
        return None
    return best_effort(
        model_hash, lambda: _load_predictor(model_hash, run.policy, settings, connections)
    )


def _load_screens(
    run: AuditRun, settings: Settings, connections: Connections, timer: StageTimer
) -> ScreenRunner | None:
    rules = run.policy.screens
    if not rules.verdict_settings:
        return None
    decided = (
        decided_photos(connections.engine, run.policy, before=run.started_at)
        if rules.duplicates.enabled
        else ()
    )
    return ScreenRunner(
        rules,
        DuplicateIndex(decided),
        workers=settings.decode_threads,
        timed=lambda name: timer.time(f"screen_{name}"),
    )


class _ShardScoring:
    """Runs the pipeline over a shard's undecided images, and writes the outcomes in parallel."""

    def __init__(
        self,
        shard: Shard,
        pipeline: Pipeline,
        writer: OutcomeWriter,
        timer: StageTimer,
        connections: Connections,
    ) -> None:
        self._shard = shard
        self._pipeline = pipeline
        self._writer = writer
        self._timer = timer
        self._engine = connections.engine
        self._failures = FetchFailures()
        self._counts = {"judged": 0, "quarantined": 0}

    def run(self) -> dict[str, int]:
        images = pending_images(self._engine, self._shard)
        with (
            self._timer.time("wall"),
            ContextThreadPoolExecutor(1, "write") as pool,
            closing(self._pipeline.run(images)) as batches,
        ):
            groups = self._observe_failures(_grouped(batches, COMMIT_BATCHES))
            for counts in bounded_map(pool, self._write, groups, ahead=WRITES_AHEAD):
                self._add_counts(counts)
        self._finish()
        return self._counts

    def _observe_failures(self, groups: Iterator[list[Outcome]]) -> Iterator[list[Outcome]]:
        for group in groups:
            for outcome in group:
                self._failures.observe(outcome)
            yield group

    def _write(self, group: list[Outcome]) -> dict[str, int]:
        with self._timer.time("write"):
            return self._writer.write(group)

    def _add_counts(self, counts: dict[str, int]) -> None:
        for name, number in counts.items():
            self._counts[name] += number
        done = sum(self._counts.values())
        log.info("scoring", done=done, of=self._shard.images)

    def _finish(self) -> None:
        """Finalize the images that were not fetched, and add the seconds to the shard's."""
        run_id = self._shard.run_id
        quarantined, left = in_transaction(
            self._engine, lambda c: self._failures.finalize(c, run_id)
        )
        self._counts["quarantined"] += quarantined
        seconds = json.dumps(self._timer.drain())
        in_transaction(self._engine, lambda c: audit_runs.add_seconds(c, self._shard, seconds))
        if left:
            raise ShardIncomplete(f"{left} images of shard {self._shard.index} were not fetched")


def _grouped(batches: Iterator[list[Outcome]], size: int) -> Iterator[list[Outcome]]:
    while group := list(chain.from_iterable(islice(batches, size))):
        yield group
