"""Which review tasks a reviewer wants to see, and their saved settings of the queue's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import UserDefinedType

from ml.storage.commerce import text_key
from ml.storage.schema import TEXTS, review_task, reviewer_preference

# Reasons that name a class: `reason:class`.
CLASS_REASONS = ("violation", "block", "label_issue", "similar_violation")


@dataclass(frozen=True)
class Filters:
    """Conditions that must all hold; None means no condition.

    `reasons`: the task has at least one of them, written as in the task (`violation:violate`).
    `category`: a reason names this class, or is one of `category_reasons`, those of signals that
    raise it. `since` (inclusive) and `until` (exclusive) bound the time when the task was opened.
    `product_id` is the commerce database's, as text.
    """

    reasons: tuple[str, ...] | None = None
    category: str | None = None
    category_reasons: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    product_id: str | None = None
    kind: str | None = None

    def where_clauses(self, commerce: Table | None) -> list[ColumnElement[bool]]:
        """The filters as SQL over `review_task`; only one by product needs the commerce table."""
        task = review_task.c
        clauses: list[ColumnElement[bool]] = []
        if self.reasons is not None:
            clauses.append(_has_any_reason(self.reasons))
        if self.category is not None:
            of_class = [f"{word}:{self.category}" for word in CLASS_REASONS]
            clauses.append(_has_any_reason([*of_class, *self.category_reasons]))
        if self.since is not None:
            clauses.append(task.opened_at >= self.since)
        if self.until is not None:
            clauses.append(task.opened_at < self.until)
        if self.product_id is not None and commerce is not None:
            clauses.append(_is_of_product(commerce, self.product_id))
        if self.kind is not None:
            clauses.append(task.kind == self.kind)
        return clauses


NO_FILTERS = Filters()


def _has_any_reason(reasons: Sequence[str]) -> ColumnElement[bool]:
    overlap: ColumnElement[bool] = review_task.c.reasons.overlap(cast(list(reasons), TEXTS))
    return overlap


class _TypeOfComparedColumn(UserDefinedType[str]):
    """Text whose type PostgreSQL infers from the column that it is compared with.

    A product id may be text or a number in the commerce database; casting the column would make
    its index unusable.
    """

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "text"


def _is_of_product(commerce: Table, product_id: str) -> ColumnElement[bool]:
    value = bindparam(None, product_id, type_=_TypeOfComparedColumn(), unique=True)
    keys = select(text_key(commerce)).where(commerce.c.product_id.op("=")(value))
    # An array, read once. `in` would be a join, for which the commerce table's index on its keys,
    # which sort in another order than ours, could not be used.
    return review_task.c.object_key == any_(func.array(keys.scalar_subquery(), type_=TEXTS))


def load_reviewer_settings(connection: Connection, reviewer: str) -> dict[str, Any]:
    """What the reviewer saved; empty where they saved nothing."""
    query = select(reviewer_preference.c.settings).where(reviewer_preference.c.reviewer == reviewer)
    return connection.execute(query).scalar() or {}


def save_reviewer_settings(connection: Connection, reviewer: str, settings: dict[str, Any]) -> None:
    """Write the reviewer's settings in place of the earlier ones."""
    row = insert(reviewer_preference).values(reviewer=reviewer, settings=settings)
    changed = {"settings": row.excluded.settings, "changed_at": func.now()}
    connection.execute(row.on_conflict_do_update(index_elements=["reviewer"], set_=changed))
