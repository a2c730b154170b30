"""Third step, once a shard: fetch, decode, screen, score and decide; commits in batches."""

import json
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain

import structlog

from ml.core.concurrency import ContextThreadPoolExecutor, StageTimer, batched, bounded_map
from ml.core.settings import Settings
from ml.core.types import NotFetched, Scored, Shard
from ml.moderation.nightly.outcome_writer import OutcomeWriter
from ml.moderation.nightly.shard_failures import ShardFailures
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.pipeline.fetch import Fetcher
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.pass_check import PassCheck, earlier_loader
from ml.moderation.pipeline.pipeline import Pipeline
from ml.moderation.pipeline.screening import load_duplicate_index, load_screening
from ml.moderation.pipeline.signals import load_signals
from ml.moderation.pipeline.similar_decisions import load_for_version
from ml.policy.schema import load_alerts
from ml.storage import audit_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.pending_images import last_pending_image, pending_images

log = structlog.get_logger()

COMMIT_BATCHES = 4  # forward batches a commit: of 32 images each, a kill repeats at most some 700
COMMIT_IMAGES = 128  # a commit has fewer batches if they are larger, one at least
WRITES_AHEAD = 2


def score_shard(shard: Shard, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Score what is still undecided in a shard. Killed and retried, it continues where it was.

    Returns the images of this attempt: `judged` and `quarantined`.

    Raises:
        ShardIncomplete: some images could not be fetched this time; a retry tries them again.
        ComputationUnavailable: this machine cannot compute as the run does.
        BucketSuspected: most images fail for one reason; none is quarantined for it.
        WorkerFailed: photos cannot be decoded on this machine.
        StorageUnavailable, StorageForbidden, BucketUnusable: bucket or database as a whole.
    """
    engine, timer = connections.engine, StageTimer()
    decode_pool(settings).start()  # the workers load while the model does
    run = in_transaction(engine, audit_runs.load, shard.run_id)
    loader = ModelLoader(run.policy, settings, connections, batch_size=run.batch_size)
    similar = load_for_version(loader, run.model_hash, run.computation, before=run.started_at)
    loader = replace(loader, with_features=similar is not None)
    predictor = loader.load(run.model_hash, run.computation)
    shadow = loader.load_shadow(run.shadow_hash, run.computation)
    decided = load_duplicate_index(engine, run.policy, before=run.started_at)
    earlier = earlier_loader(engine, before=run.started_at)
    check = PassCheck(run.policy, predictor.pass_confidence, earlier)
    pipeline = Pipeline(
        store=connections.photos,
        predictor=predictor,
        violations=run.policy.violations,
        shadow=shadow,
        similar=similar,
        signals=load_signals(run.policy.screens, settings, connections, timer),
        settings=settings,
        picture_side=run.policy.screens.picture_side,
        screening=load_screening(run.policy.screens, decided, check.needs_text),
        clock=timer,
    )
    failures = ShardFailures(
        shard,
        max_share=load_alerts(settings.policy_file, run.policy).max_failure_share,
        bucket_answers=partial(_bucket_answers, shard, settings, connections),
    )
    writer = OutcomeWriter(run, predictor, shadow)
    judged = _run(shard, connections, pipeline, writer, failures)
    quarantined, left = in_transaction(engine, failures.settle)
    in_transaction(engine, audit_runs.add_seconds, shard, json.dumps(timer.drain()))
    failures.check(left)
    return {"judged": judged, "quarantined": quarantined}


def _run(
    shard: Shard,
    connections: Connections,
    pipeline: Pipeline,
    writer: OutcomeWriter,
    failures: ShardFailures,
) -> int:
    """Run the pipeline over the undecided images, and write verdicts in parallel; their number."""
    engine, timer = connections.engine, pipeline.clock
    commit_batches = min(COMMIT_BATCHES, max(1, COMMIT_IMAGES // pipeline.batch_size))
    judged = 0

    def write(group: list[Scored]) -> int:
        with timer.time("write"):
            return in_transaction(engine, writer.write, group)

    with (
        timer.time("wall"),
        ContextThreadPoolExecutor(1, "write") as pool,
        closing(pipeline.run(pending_images(engine, shard))) as batches,
    ):
        groups = (list(chain.from_iterable(some)) for some in batched(batches, commit_batches))
        for written in bounded_map(pool, write, failures.take(groups), ahead=WRITES_AHEAD):
            judged += written
            log.info("scoring", judged=judged, of=shard.images)
    return judged


def _bucket_answers(shard: Shard, settings: Settings, connections: Connections) -> bool:
    """Whether the bucket answers for the shard's last undecided image."""
    image = in_transaction(connections.engine, last_pending_image, shard)
    if image is None:
        return True
    fetcher = Fetcher(connections.photos, settings.max_image_bytes, StageTimer())
    return not isinstance(fetcher.fetch(image), NotFetched)
