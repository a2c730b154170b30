"""Disputed golden labels: each goes to a review that decides it again.

Until then the photo is not compared on. The review is opened by the retraining run and not by the
answer that disputes the label: an answer at once would tell reviewers which tasks are golden.
"""

from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection

from ml.storage import retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.golden_answers import load_opinions
from ml.storage.golden_tasks import open_disputed_review
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_manifest

log = structlog.get_logger()

_ALL = datetime.max.replace(tzinfo=UTC)


def review_disputed_labels(run_id: str, *, connections: Connections) -> int:
    """Open a review of each disputed golden label of the run's snapshot; returns their number.

    Idempotent. Without a champion none is opened: a task names the model that scores its photo.

    Raises:
        RunNotStarted: `snapshot_labels` did not finish.
    """
    engine = connections.engine
    run, snapshot_hash = in_transaction(
        engine, lambda c: retrain_runs.load_with_snapshot(c, run_id)
    )
    disputed = get_manifest(connections.models, snapshot_hash).disputed
    if disputed and run.champion_hash is not None:
        in_transaction(engine, _open_reviews, run, disputed)
        log.info("disputed golden labels go to a review", photos=len(disputed))
    return len(disputed)


def _open_reviews(connection: Connection, run: RetrainRun, disputed: list[str]) -> None:
    """Photos that somebody decided since the snapshot are left out, so a retry reopens none."""
    opinions = load_opinions(connection, disputed, as_of=_ALL)
    for content in disputed:
        votes = [o for o in opinions[content] if not o.is_blind]
        if any(vote.given_at >= run.as_of for vote in votes):
            continue
        # Who gave an opinion decides again only when no other task is left, as after an appeal.
        reviewers = sorted({o.reviewer for o in opinions[content] if not o.is_imported})
        open_disputed_review(connection, run, content, reviewers=reviewers)
