"""Simulated reviewers, who always tell the truth: they decide the queue and a random audit."""

import random

from rich.progress import track
from sqlalchemy import text

from ml.connections import Connections
from ml.policy.policy import load_policy
from ml.review.decide import Decision, decide
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels
from stack.demo_photos import Upload

AUDITED_SHARE = 0.25  # of the photos that passed
REVIEWERS = ("ann", "bo", "chen")

_TASKS = text(
    """
    select t.task_id, t.object_key from moderation.review_task t
    where t.run_id = :run_id and t.state = 'open' and t.kind = 'verdict' order by t.task_id
    """
)
_PASSED = text(
    """
    select object_key, content_sha256 from moderation.audit_result
    where run_id = :run_id and decision = 'pass' order by object_key
    """
)


def people_decide(
    run_id: str, photos: list[Upload], *, settings: Settings, connections: Connections
) -> dict[str, int]:
    """Label what the night sent to review among `photos`, and a share of what it passed."""
    truth = {f"{settings.photo_prefix}{upload.name}": upload for upload in photos}
    reviewed = _decide_tasks(run_id, truth, settings, connections)
    return {"reviewed": reviewed, "audited": _audit_passes(run_id, truth, connections)}


def _decide_tasks(
    run_id: str, truth: dict[str, Upload], settings: Settings, connections: Connections
) -> int:
    policy = load_policy(settings.policy_file)
    rows = in_transaction(connections.engine, lambda c: c.execute(_TASKS, {"run_id": run_id}).all())
    mine = [(task_id, truth[key]) for task_id, key in rows if key in truth]
    for number, (task_id, upload) in enumerate(track(mine, "people decide")):
        decision = Decision(
            task_id, upload.label, REVIEWERS[number % len(REVIEWERS)], _category(upload)
        )
        with connections.engine.begin() as connection:
            decide(
                connection, decision, policy=policy, commerce=connections.commerce,
                names=settings.commerce,
            )  # fmt: skip
    return len(mine)


def _audit_passes(run_id: str, truth: dict[str, Upload], connections: Connections) -> int:
    query = {"run_id": run_id}
    rows = in_transaction(connections.engine, lambda c: c.execute(_PASSED, query).all())
    chance = random.Random(run_id)
    chosen = [r for r in rows if r.object_key in truth and chance.random() < AUDITED_SHARE]
    labels = [
        NewLabel(
            content_sha256=row.content_sha256,
            label=truth[row.object_key].label,
            category=_category(truth[row.object_key]),
            reviewer=REVIEWERS[0],
            route="random_audit",
            decided_at=None,
            sampling_rate=AUDITED_SHARE,
        )
        for row in chosen
    ]
    return in_transaction(connections.engine, lambda c: add_labels(c, labels))


def _category(upload: Upload) -> str | None:
    return None if upload.category == upload.label else upload.category
