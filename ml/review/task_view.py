"""Review tasks as a reviewer sees them.

Blinding: some tasks hide the model's scores and the earlier labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection, Table

from ml.core.stats import keyed_uniform
from ml.policy.schema import Policy
from ml.storage.golden_tasks import DISPUTED
from ml.storage.read.task_view import (
    CommercePhoto,
    TaskPhoto,
    load_commerce_photos,
    load_task_photos,
)
from ml.storage.review_tasks import BLIND, GOLDEN, SAMPLED_ROUTES, load_sampling_key
from ml.storage.task_filters import CLASS_REASONS

WITHHELD = "withheld"  # the only reason that is shown where scores are hidden
# Reasons that reveal a drawn photo or hidden task; the queue cannot be filtered by them.
REVEALING_REASONS = frozenset({"blind", "confident_normal", DISPUTED, "golden", *SAMPLED_ROUTES})
_NO_COMMERCE_ROW = CommercePhoto(None, None, None)


def scores_hidden(
    key: bytes, content_sha256: str, *, kind: str, route: str | None, policy: Policy
) -> bool:
    """Whether a task hides scores and earlier labels; deterministic.

    Second reviews, golden tasks, disputed golden labels and photos drawn for review do, and a share
    of ordinary tasks (policy `reviewing.hide_scores_share`), so that hiding reveals nothing.
    """
    if kind in (BLIND, GOLDEN) or route in (*SAMPLED_ROUTES, "second_review"):
        return True
    return keyed_uniform(key, "withheld", content_sha256) < policy.reviewing.hide_scores_share


@dataclass(frozen=True)
class TaskView:
    """One task with its photo, for the reviewer who holds it.

    `likely` is the class that a reason names, else the likeliest violation; `category` is the same
    where scores are shown. Where they are hidden, `category` and `violation_score` are None, and
    `reasons` is `WITHHELD`. `width` and `height` are pixels of the upright original; None where it
    was never decoded. `product_id` to `uploaded_at` are the commerce database's; None where it has
    no row of the photo.
    """

    task_id: int
    content_sha256: str
    object_key: str
    reasons: tuple[str, ...]
    likely: str | None
    category: str | None
    violation_score: float | None
    model_hash: str
    product_id: str | None
    review_id: str | None
    uploaded_at: datetime | None
    opened_at: datetime
    claimed_until: datetime | None
    width: int | None
    height: int | None


def load_task_views(
    connection: Connection, task_ids: Sequence[int], *, policy: Policy, commerce: Table
) -> list[TaskView]:
    """The tasks in the order given; three queries, however many tasks there are."""
    if not task_ids:
        return []
    tasks = load_task_photos(connection, task_ids)
    rows = load_commerce_photos(connection, commerce, {task.object_key for task in tasks})
    key = load_sampling_key(connection)
    return [_view(task, rows.get(task.object_key, _NO_COMMERCE_ROW), key, policy) for task in tasks]


def category_of(
    reasons: Iterable[str], scores: Mapping[str, float] | None, policy: Policy
) -> str | None:
    """The class that a reason names, else the violation with the highest score; None without."""
    raised = policy.screens.signal_reasons
    for reason in reasons:
        word, _, name = reason.partition(":")
        if word in CLASS_REASONS and name:
            return name
        if reason in raised:
            return raised[reason]
    scores = scores or {}
    return max(sorted(policy.violations & scores.keys()), key=scores.__getitem__, default=None)


def _view(task: TaskPhoto, row: CommercePhoto, key: bytes, policy: Policy) -> TaskView:
    likely = category_of(task.reasons, task.scores, policy)
    hidden = scores_hidden(
        key, task.content_sha256, kind=task.kind, route=task.route, policy=policy
    )
    shown = {**vars(task), **vars(row), "likely": likely, "category": likely}
    if hidden:
        shown |= {"reasons": (WITHHELD,), "category": None, "violation_score": None}
    return TaskView(**{field.name: shown[field.name] for field in fields(TaskView)})
