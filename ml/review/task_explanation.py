"""Explain why a photo was routed to review, with decided photos that look like it."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from ml.core.types import NOT_NEEDED, OVER_BUDGET
from ml.policy.schema import Policy
from ml.policy.screens import MODEL_SCREENS, SIGNAL
from ml.review.second_review import AppealState, load_appeal_states
from ml.review.task_view import WITHHELD, scores_hidden
from ml.storage.read.similar_decisions import (
    ContentLabel,
    load_active_labels,
    load_labelled_hashes,
)
from ml.storage.read.task_view import (
    HistoryEntry,
    load_decision_history,
    load_task_verdict,
)
from ml.storage.review_tasks import load_sampling_key
from ml.vision.images.fingerprint import MIN_QUALITY, NEAR_DUPLICATE_DISTANCE, pdq_words

_CANDIDATES = 50  # nearest photos whose labels are looked up: some labels may be undone
# A label may be committed after a later one, or before its photo's hash: all are read again.
_RELOAD_SECONDS = 3600.0


@dataclass(frozen=True)
class SimilarDecision(ContentLabel):
    """The latest active label of a decided photo that is like another one.

    `distance` is the number of differing bits of near-duplicates, 0 to 31; None: the model finds it
    similar. `appeal` is whether the decision can be appealed; None: not offered here.
    """

    distance: int | None
    appeal: AppealState | None = None


@dataclass(frozen=True)
class _Index:
    """The decided photos read so far: contents, and their hashes in the same order."""

    last_label_id: int
    contents: tuple[str, ...]
    hashes: npt.NDArray[np.uint64]


class SimilarDecisions:
    """The `newest` decided photos by PDQ hash; thread-safe.

    Labels are append-only, so this process keeps the hashes of decided photos and reads only those
    added since. Whether a label is still active is queried each time. Measured with 100,000 labels
    on two busy cores: 0.6 s to read all hashes, once per hour and process.
    """

    def __init__(self, newest: int = 100_000) -> None:
        self._newest = newest
        self._lock = Lock()
        self._index = _EMPTY
        self._reload_at = 0.0

    def find_similar(
        self, connection: Connection, pdq: str, *, exclude: str | None = None, limit: int = 6
    ) -> list[SimilarDecision]:
        """Decided photos at most 31 bits away, the nearest first, without the content `exclude`.

        `pdq` is the hash of the photo under review, 64 hexadecimal digits, of quality over 49.
        """
        with self._lock:
            index = self._index = self._refreshed(connection)
        bits = np.bitwise_count(index.hashes ^ pdq_words([pdq])).sum(axis=1)
        places = np.flatnonzero(bits <= NEAR_DUPLICATE_DISTANCE)
        nearest = places[np.argsort(bits[places], kind="stable")].tolist()
        distances = {index.contents[place]: int(bits[place]) for place in nearest}
        distances.pop(exclude or "", None)
        return _active_decisions(connection, dict(list(distances.items())[:_CANDIDATES]))[:limit]

    def _refreshed(self, connection: Connection) -> _Index:
        index = self._index
        if time.monotonic() > self._reload_at:
            self._reload_at, index = time.monotonic() + _RELOAD_SECONDS, _EMPTY
        newest, indexed = self._newest, set(index.contents)
        labels = load_labelled_hashes(connection, after_label_id=index.last_label_id, newest=newest)
        if not labels:
            return index
        added = {
            label.content_sha256: label.pdq
            for label in labels
            if label.pdq is not None
            and (label.pdq_quality or 0) > MIN_QUALITY
            and label.content_sha256 not in indexed
        }
        hashes = np.concatenate([index.hashes, pdq_words(list(added.values()))])
        contents = (*index.contents, *added)
        return _Index(labels[-1].label_id, contents[-newest:], hashes[-newest:])


def _active_decisions(connection: Connection, distances: dict[str, int]) -> list[SimilarDecision]:
    if not distances:
        return []
    decisions = [
        SimilarDecision(**vars(label), distance=distances[label.content_sha256])
        for label in load_active_labels(connection, distances)
    ]
    return sorted(decisions, key=lambda d: (distances[d.content_sha256], d.content_sha256))


_EMPTY = _Index(0, (), pdq_words([]))


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
    hidden (`ml.review.task_view`), scores, decision, labels and history are empty, the model's
    screens are left out, the photo itself is not among the similar ones, and no appeal is offered.
    """

    reasons: tuple[str, ...]
    scores: dict[str, float]
    pass_confidence: float | None
    decision: str | None
    model_hash: str
    policy_version: str
    screens: list[ShownScreenResult]
    labels: list[str]
    near: list[SimilarDecision]
    history: list[HistoryEntry]


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
    screens = screen_results(task.screens)
    if hidden:
        # These would tell what models think of the photo, and the photo's own label.
        screens = [s for s in screens if not s.name.startswith((*MODEL_SCREENS, f"{SIGNAL}:"))]
        screens = [_without_need(screen) for screen in screens]
    else:
        near += _find_recorded(connection, task.screens, {p.content_sha256 for p in near})
        near = _with_appeals(connection, near)
    return TaskExplanation(
        reasons=(WITHHELD,) if hidden else task.reasons,
        scores={} if hidden else dict(task.scores or {}),
        pass_confidence=None if hidden else task.pass_confidence,
        decision=None if hidden else task.decision,
        model_hash=task.model_hash,
        policy_version=task.policy_version,
        screens=screens,
        labels=[] if hidden else list(task.classes or ()),
        near=near,
        history=[] if hidden else load_decision_history(connection, content),
    )


def _find_recorded(
    connection: Connection, screens: object, known: Collection[str]
) -> list[SimilarDecision]:
    """The photos that the verdict's screens found similar, but those known, copies first."""
    listed = [content for name, kind in _RECORDED for content in _recorded(screens, name, kind)]
    contents = [content for content in dict.fromkeys(listed) if content not in known]
    # Not the labels of the verdict: some may have been undone since.
    labels = {found.content_sha256: found for found in load_active_labels(connection, contents)}
    return [SimilarDecision(**vars(labels[c]), distance=None) for c in contents if c in labels]


def _without_need(screen: ShownScreenResult) -> ShownScreenResult:
    """The result as if time had been lacking: that it was not needed tells the verdict."""
    return replace(screen, reason=OVER_BUDGET) if screen.reason == NOT_NEEDED else screen


# Screens, and where their evidence names decided photos.
_RECORDED = (("copies", "photos"), ("duplicates", "blocked"), ("similar_decisions", "photos"))


def _recorded(screens: object, name: str, kind: str) -> list[str]:
    stored = screens.get(name) if isinstance(screens, Mapping) else None
    evidence = stored.get("evidence") if isinstance(stored, Mapping) else None
    photos = evidence.get(kind, ()) if isinstance(evidence, Mapping) else ()
    return [str(p.get("content_sha256")) for p in photos if isinstance(p, Mapping)]


def _with_appeals(connection: Connection, near: list[SimilarDecision]) -> list[SimilarDecision]:
    states = load_appeal_states(connection, [photo.content_sha256 for photo in near])
    return [replace(photo, appeal=states[photo.content_sha256]) for photo in near]


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
