"""Explain why a photo was routed to review, with similar decided photos."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from ml.policy.schema import Policy
from ml.review.similar_decisions import SimilarDecision, SimilarDecisions
from ml.review.task_view import WITHHELD, scores_hidden
from ml.storage.read.task_explanation import (
    HistoryEntry,
    load_decision_history,
    load_task_verdict,
)
from ml.storage.review_tasks import load_sampling_key
from ml.vision.images.fingerprint import MIN_QUALITY


@dataclass(frozen=True)
class ShownScreenResult:
    """One screen's result as stored in the verdict; None where the verdict has no such value."""

    name: str
    fired: bool | None = None
    value: Any = None
    reason: str | None = None
    evidence: Any = None


@dataclass(frozen=True)
class TaskExplanation:
    """What a reviewer may know about a task.

    `scores` (class -> 0..1), `decision` and `pass_confidence` are the verdict's, empty or None
    where the photo has none. `labels` are the classes that have an activation map. Where scores are
    hidden (`ml.review.task_view`), scores, decision, labels and history are empty, and the photo
    itself is not among the similar ones.
    """

    reasons: tuple[str, ...]
    scores: dict[str, float]
    pass_confidence: float | None
    decision: str | None
    model_hash: str
    policy_version: str
    screens: list[ShownScreenResult]
    labels: list[str]
    near: list[SimilarDecision] = field(default_factory=list)
    history: list[HistoryEntry] = field(default_factory=list)


def explain_task(
    connection: Connection, task_id: int, *, policy: Policy, decided: SimilarDecisions
) -> TaskExplanation | None:
    """Why a task was opened; None where there is no such task."""
    task = load_task_verdict(connection, task_id)
    if task is None:
        return None
    key, content = load_sampling_key(connection), task.content_sha256
    hidden = scores_hidden(key, content, kind=task.kind, route=task.route, policy=policy)
    near = []
    if task.pdq is not None and (task.pdq_quality or 0) > MIN_QUALITY:
        near = decided.find_similar(connection, task.pdq, exclude=content if hidden else None)
    return TaskExplanation(
        reasons=(WITHHELD,) if hidden else task.reasons,
        scores={} if hidden else dict(task.scores or {}),
        pass_confidence=None if hidden else task.pass_confidence,
        decision=None if hidden else task.decision,
        model_hash=task.model_hash,
        policy_version=task.policy_version,
        screens=screen_results(task.screens),
        labels=[] if hidden else list(task.classes or ()),
        near=near,
        history=[] if hidden else load_decision_history(connection, content),
    )


def screen_results(stored: object) -> list[ShownScreenResult]:
    """The stored screens by name, in any form: rows outlive the code that wrote them."""
    items = sorted(stored.items()) if isinstance(stored, Mapping) else []
    return [_screen_result(str(name), result) for name, result in items]


def _screen_result(name: str, result: object) -> ShownScreenResult:
    if not isinstance(result, Mapping):
        return ShownScreenResult(name, value=result)
    fired, reason = result.get("fired"), result.get("reason")
    return ShownScreenResult(
        name,
        fired=fired if isinstance(fired, bool) else None,
        value=result.get("value"),
        reason=None if reason is None else str(reason),
        evidence=result.get("evidence"),
    )
