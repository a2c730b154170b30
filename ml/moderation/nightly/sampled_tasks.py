"""Review tasks of settled photos: the spot check's, and those of active learning."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ml.policy.active_learning import PassedPhoto, choose_route, learning_rates
from ml.policy.schema import Policy
from ml.policy.spot_check import draw_sample, priority_among_reviews
from ml.storage.audit_runs import AuditRun
from ml.storage.review_tasks import add_tasks, load_sampling_key
from ml.storage.settled_photos import SettledPhoto, load_settled
from ml.storage.write_back import KeyRange
from ml.vision.images.duplicate_groups import near_duplicate_groups


def open_sampled_tasks(connection: Connection, run: AuditRun, keys: KeyRange) -> int:
    """Open a task for each settled photo of the range that is drawn; idempotent.

    A content is drawn once, however many keys it has. The photo keeps the status of its verdict
    until a reviewer decides otherwise. Returns how many tasks are new.
    """
    policy = run.policy
    shares = {name: policy.spot_check.share(name) for name in ("pass", "block")}
    learns = policy.active_learning.share > 0
    decisions = [name for name in shares if shares[name] > 0 or (learns and name == "pass")]
    if not decisions:
        return 0
    key, tasks = load_sampling_key(connection), []
    photos = load_settled(connection, run, keys, decisions)
    rates = _rate(photos, policy)
    for photo in photos:
        share, rate = shares[photo.decision], rates.get(photo.content_sha256, 0.0)
        sample = draw_sample(key, photo.content_sha256)
        route = choose_route(sample, spot_check_share=share, rate=rate)
        if route is not None and not photo.is_sampled:
            task = photo.task_columns | {
                "reasons": [route],  # never shown to reviewers (ml/review/task_view.py)
                "priority": priority_among_reviews(sample, policy),
                "route": route,
                # Whichever of them draws it: the label stands for so many photos.
                "sampling_rate": share + rate,
            }
            tasks.append(task)
    return add_tasks(connection, tasks)


def _rate(photos: Sequence[SettledPhoto], policy: Policy) -> dict[str, float]:
    """The rate of active learning of each content that passed."""
    share = policy.active_learning.share
    passed = [photo for photo in photos if photo.decision == "pass" and share > 0]
    hashes = [photo.pdq or "" for photo in passed]
    groups = near_duplicate_groups(hashes, [photo.pdq_quality or 0 for photo in passed])
    measured = [
        PassedPhoto(
            photo.violation_score,
            photo.pass_confidence,
            photo.violating_share,
            photo.similarity,
            group,
        )
        for photo, group in zip(passed, groups, strict=True)
    ]
    contents = (photo.content_sha256 for photo in passed)
    rates = learning_rates(measured, share)
    return dict(zip(contents, rates, strict=True))
