"""Compute features and pictures of what reviewers decided on since, for the run's screens.

It commits in batches: killed and retried, it continues where it was.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
import structlog

from ml.core.concurrency import batched
from ml.core.errors import QuarantineReason
from ml.core.settings import Settings
from ml.core.types import NotFetched, Outcome, PendingImage, RejectedImage, Scored
from ml.models.predictor import Predictor
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.pipeline import Pipeline
from ml.moderation.pipeline.similar_decisions import needs_features
from ml.storage import audit_runs, photo_archive, photo_features
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_features import PhotoSummary
from ml.vision.screens.copies import encode_picture

log = structlog.get_logger()

COMMIT_PHOTOS = 200
_COUNTS = ("computed", "unreadable", "absent")
_LARGEST = float(np.finfo(np.float16).max)
_ABSENT = (QuarantineReason.OBJECT_ABSENT, QuarantineReason.OBJECT_ARCHIVED)


def remember_decisions(
    run_id: str, *, settings: Settings, connections: Connections
) -> dict[str, int]:
    """Compute what is missing for the run's model, of the newest decisions before the run.

    Returns the photos of this attempt: `computed`, `unreadable`, which are not tried again, and
    `absent`, which are; none where the policy or the model has no use for them.

    Raises:
        StorageUnavailable, StorageForbidden: bucket or database as a whole.
        ComputationUnavailable: this machine cannot compute as the run does.
    """
    engine = connections.engine
    run = in_transaction(engine, audit_runs.load, run_id)
    loader = ModelLoader(
        run.policy, settings, connections, batch_size=run.batch_size, with_features=True
    )
    if run.started_at is None or not needs_features(loader.load_card(run.model_hash), run.policy):
        return dict.fromkeys(_COUNTS, 0)
    source, before = loader.feature_source(run.model_hash, run.computation), run.started_at
    deleted = in_transaction(
        engine, lambda c: photo_features.delete_unused(c, source, before=before)
    )
    list_missing = partial(
        photo_features.list_missing,
        source=source,
        before=before,
        pictures=run.policy.screens.copies.enabled,
    )
    missing = in_transaction(engine, list_missing)
    counts = dict.fromkeys(_COUNTS, 0)
    if missing:
        predictor = loader.load(run.model_hash, run.computation)
        pipeline = _pipeline(run, predictor, settings, connections)
        for summaries in _compute(pipeline, missing):
            in_transaction(engine, photo_features.write, source, summaries)
            unreadable = sum(found is None for found in summaries.values())
            counts["unreadable"] += unreadable
            counts["computed"] += len(summaries) - unreadable
            log.info("decided photos remembered", of=len(missing), **counts)
    counts["absent"] = len(missing) - counts["computed"] - counts["unreadable"]
    log.info("decisions remembered", deleted=deleted, **counts)
    return counts


def _pipeline(
    run: AuditRun, predictor: Predictor, settings: Settings, connections: Connections
) -> Pipeline:
    return Pipeline(
        store=_Decided(connections),
        predictor=predictor,
        violations=run.policy.violations,
        settings=settings,
        picture_side=run.policy.screens.picture_side,
    )


def _compute(pipeline: Pipeline, contents: list[str]) -> Iterable[dict[str, PhotoSummary | None]]:
    """The features of the photos, in batches by content hash."""
    images = (PendingImage(content, "", 0) for content in contents)
    with closing(pipeline.run(images)) as batches:
        outcomes = (outcome for batch in batches for outcome in batch)
        for some in batched(outcomes, COMMIT_PHOTOS):
            yield dict(_read(outcome) for outcome in some if not _is_absent(outcome))


def _is_absent(outcome: Outcome) -> bool:
    """Whether neither bucket nor archive has the bytes now: the next run looks again."""
    return isinstance(outcome, RejectedImage) and outcome.error.reason in _ABSENT


def _read(outcome: Outcome) -> tuple[str, PhotoSummary | None]:
    if isinstance(outcome, NotFetched):
        raise outcome.error  # the bucket failed, not the photo
    key = outcome.image.object_key
    if not isinstance(outcome, Scored) or outcome.features is None or outcome.picture is None:
        return key, None
    features = outcome.features.clip(-_LARGEST, _LARGEST).astype(np.float16)
    return key, PhotoSummary(features, encode_picture(outcome.picture))


@dataclass(frozen=True)
class _Decided:
    """Decided photos by content hash, from their bucket or the archive."""

    connections: Connections

    def get(
        self,
        key: str,
        *,
        etag: str | None = None,  # noqa: ARG002 - the content is compared
        size_bytes: int | None = None,  # noqa: ARG002 - as above
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of a content."""
        places = in_transaction(self.connections.engine, photo_archive.locate, key)
        return photo_archive.read(
            places,
            photos=self.connections.photos,
            models=self.connections.models,
            max_bytes=max_bytes or 0,
        )
