"""Simulated people, who always tell the truth: they decide the queue, audit and complain."""

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
COMPLAINT_SHARE = 0.75  # of the violations that passed: the shop's customers tell of most of them
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
    """Label what the night sent to review among `photos`, and some of what it passed."""
    truth = {f"{settings.photo_prefix}{upload.name}": upload for upload in photos}
    reviewed = _decide_tasks(run_id, truth, settings, connections)
    audited, complaints = _look_at_passes(run_id, truth, connections)
    return {"reviewed": reviewed, "audited": audited, "complaints": complaints}


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


def _look_at_passes(
    run_id: str, truth: dict[str, Upload], connections: Connections
) -> tuple[int, int]:
    """A random audit, and what customers report of the rest; returns how many of each."""
    query = {"run_id": run_id}
    rows = in_transaction(connections.engine, lambda c: c.execute(_PASSED, query).all())
    chance = random.Random(run_id)
    audit, complaints = [], []
    for row in rows:
        upload = truth.get(row.object_key)
        if upload is None:
            continue
        if chance.random() < AUDITED_SHARE:
            audit.append(_label(row.content_sha256, upload, "random_audit", AUDITED_SHARE))
        elif upload.label != "normal" and chance.random() < COMPLAINT_SHARE:
            complaints.append(_label(row.content_sha256, upload, "import", 1.0))
    in_transaction(connections.engine, lambda c: add_labels(c, [*audit, *complaints]))
    return len(audit), len(complaints)


def _label(content_sha256: str, upload: Upload, route: str, sampling_rate: float) -> NewLabel:
    return NewLabel(
        content_sha256=content_sha256,
        label=upload.label,
        category=_category(upload),
        reviewer=REVIEWERS[0],
        route=route,
        decided_at=None,
        sampling_rate=sampling_rate,
    )


def _category(upload: Upload) -> str | None:
    return None if upload.category == upload.label else upload.category
