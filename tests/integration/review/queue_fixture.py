"""A review queue in a fresh database, with invented photos, tasks and commerce rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, TextClause, text

from ml.core.commerce_names import CommerceNames
from ml.policy.schema import Policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.queue import claim_tasks
from ml.review.undo import undo_decision
from ml.storage.database import in_transaction
from ml.storage.review_queue import ClaimedTask
from tests.support.policies import policy

T = TypeVar("T")
NIGHT = datetime(2026, 11, 1, 2, tzinfo=UTC)  # when the photos were judged and written back

_TASK = text(
    """
    insert into moderation.review_task (
        object_key, etag, content_sha256, model_hash, policy_version, reasons, violation_score,
        priority, run_id, kind, opened_at
    )
    values (:key, 'e1', 'sha-' || :key, 'm', 'p', :reasons, :score, :score, 'night',
        :kind, :opened_at)
    returning task_id
    """
)
_IMAGE = text(
    """
    insert into moderation.image (
        object_key, etag, size_bytes, uploaded_at, content_sha256, state, written_status, written_at
    )
    values (:key, 'e1', 1, :uploaded_at, 'sha-' || :key, 'judged', :status, :at)
    """
)
_ROW = text(
    """
    insert into commerce.review_image (
        review_id, product_id, object_key, uploaded_at, moderation_status, moderated_at
    )
    values (1, :product, :key, :uploaded_at, :status, :at)
    """
)


@dataclass(frozen=True)
class Room:
    """The queue and what reviewers do in it, each act in a transaction of its own."""

    engine: Engine
    commerce: Table
    names: CommerceNames = field(default_factory=CommerceNames)
    policy: Policy = field(default_factory=lambda: policy(violate=None))

    def photo(self, key: str, *, status: str = "review", product: int = 1) -> None:
        """A scored photo, and its row in the commerce database."""
        values = {"key": key, "status": status, "at": NIGHT, "product": product}
        values["uploaded_at"] = NIGHT - timedelta(hours=1)
        self.execute(_IMAGE, **values)
        self.execute(_ROW, **values)

    def task(
        self,
        key: str,
        *,
        score: float = 0.8,
        reasons: tuple[str, ...] = ("violation:violate",),
        kind: str = "verdict",
        opened_at: datetime = NIGHT,
    ) -> int:
        """An open task."""
        values = {"key": key, "score": score, "reasons": list(reasons), "kind": kind}
        return int(self.execute(_TASK, **values, opened_at=opened_at)[0][0])

    def claim(
        self,
        reviewer: str = "ann",
        **options: Any,  # noqa: ANN401 - handed on as they are
    ) -> list[ClaimedTask]:
        """Claim for a minute."""
        wanted = {"lease_seconds": 60.0, "commerce": self.commerce} | options
        return self.act(lambda c: claim_tasks(c, reviewer=reviewer, **wanted))

    def claimed(
        self,
        reviewer: str = "ann",
        **options: Any,  # noqa: ANN401 - as above
    ) -> list[int]:
        """The ids of a claim."""
        return [task.task_id for task in self.claim(reviewer, **options)]

    def decide(
        self,
        task_id: int,
        label: str,
        reviewer: str = "ann",
        *,
        lease: bool = True,
        at: datetime | None = None,
    ) -> None:
        """Decide; under a lease unless `lease` is False."""
        decision = ReviewerDecision(task_id, label, reviewer, decided_at=at)
        parts = {"policy": self.policy, "commerce": self.commerce, "names": self.names}
        holder = reviewer if lease else None
        self.act(lambda c: decide_task(c, decision, **parts, lease_holder=holder))

    def undo(
        self, task_id: int, reviewer: str = "ann", within: timedelta = timedelta(minutes=10)
    ) -> None:
        """Undo a decision."""
        parts = {"policy": self.policy, "commerce": self.commerce, "names": self.names}
        self.act(
            lambda c: undo_decision(c, task_id=task_id, reviewer=reviewer, within=within, **parts)
        )

    def lapse(self, task_id: int) -> None:
        """Let a lease run out."""
        self.execute(
            "update moderation.review_task set claimed_until = now() - interval '1 second' "
            "where task_id = :task_id",
            task_id=task_id,
        )

    def state(self, task_id: int) -> tuple[Any, ...]:
        """State and holder."""
        query = "select state, claimed_by from moderation.review_task where task_id = :id"
        return self.execute(query, id=task_id)[0]

    def shown(self, key: str) -> tuple[Any, ...]:
        """The status in the commerce database, and its time."""
        return self.execute(
            "select moderation_status, moderated_at from commerce.review_image "
            "where object_key = :key",
            key=key,
        )[0]

    def act(self, work: Callable[[Connection], T]) -> T:
        """Work in a transaction."""
        return in_transaction(self.engine, work)

    def execute(self, sql: str | TextClause, **values: object) -> list[tuple[Any, ...]]:
        """Run a statement or query."""
        statement = text(sql) if isinstance(sql, str) else sql
        with self.engine.begin() as connection:
            result = connection.execute(statement, values)
            return [tuple(row) for row in result] if result.returns_rows else []
