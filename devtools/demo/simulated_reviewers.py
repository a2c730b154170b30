"""Simulated reviewers and customers with the true labels: decisions, spot checks, complaints."""

import random

from rich.progress import track
from sqlalchemy import text

from devtools.demo.photos import Upload
from ml.core.settings import Settings
from ml.policy.schema import load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels

SPOT_CHECK_SHARE = 0.25  # of the photos that passed
COMPLAINT_SHARE = 0.75  # of the violations that passed: customers report most of them
REVIEWERS = ("ann", "bo", "chen")

_OPEN_TASKS = text(
    """
    select t.task_id, t.object_key from moderation.review_task t
    where t.run_id = :run_id and t.state = 'open' and t.kind = 'verdict' order by t.task_id
    """
)
_PASSED_PHOTOS = text(
    """
    select object_key, content_sha256 from moderation.audit_result
    where run_id = :run_id and decision = 'pass' order by object_key
    """
)


def simulate_reviewers(
    run_id: str, photos: list[Upload], *, settings: Settings, connections: Connections
) -> dict[str, int]:
    """Label those of `photos` that a run sent to review, and a share of those that it passed."""
    truth = {f"{settings.photo_prefix}{upload.name}": upload for upload in photos}
    reviewed = _decide_tasks(run_id, truth, settings, connections)
    spot_checked, complaints = _label_passed_photos(run_id, truth, connections)
    return {"reviewed": reviewed, "spot_checked": spot_checked, "complaints": complaints}


def _decide_tasks(
    run_id: str, truth: dict[str, Upload], settings: Settings, connections: Connections
) -> int:
    policy = load_policy(settings.policy_file)
    rows = in_transaction(
        connections.engine, lambda c: c.execute(_OPEN_TASKS, {"run_id": run_id}).all()
    )
    tasks = [(task_id, truth[key]) for task_id, key in rows if key in truth]
    for number, (task_id, upload) in enumerate(track(tasks, "simulated decisions")):
        decision = ReviewerDecision(
            task_id, upload.label, REVIEWERS[number % len(REVIEWERS)], _category(upload)
        )
        with connections.engine.begin() as connection:
            decide_task(
                connection, decision, policy=policy, commerce=connections.commerce,
                names=settings.commerce,
            )  # fmt: skip
    return len(tasks)


def _label_passed_photos(
    run_id: str, truth: dict[str, Upload], connections: Connections
) -> tuple[int, int]:
    """Label a spot check, and customer complaints about the rest; return both counts."""
    query = {"run_id": run_id}
    rows = in_transaction(connections.engine, lambda c: c.execute(_PASSED_PHOTOS, query).all())
    rng = random.Random(run_id)
    spot_checked, complaints = [], []
    for row in rows:
        upload = truth.get(row.object_key)
        if upload is None:
            continue
        if rng.random() < SPOT_CHECK_SHARE:
            spot_checked.append(
                _new_label(row.content_sha256, upload, "spot_check", SPOT_CHECK_SHARE)
            )
        elif upload.label != "normal" and rng.random() < COMPLAINT_SHARE:
            complaints.append(_new_label(row.content_sha256, upload, "import", 1.0))
    in_transaction(connections.engine, lambda c: add_labels(c, [*spot_checked, *complaints]))
    return len(spot_checked), len(complaints)


def _new_label(content_sha256: str, upload: Upload, route: str, sampling_rate: float) -> NewLabel:
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
