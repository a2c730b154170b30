"""Which review tasks a reviewer wants to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, bindparam, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text, UserDefinedType

from ml.storage.schema import review_task

NAMING = ("violation", "block", "label_doubt")  # reasons that name a class, as `word:class`


@dataclass(frozen=True)
class Filters:
    """Conditions that all hold; None asks for nothing.

    `reasons`: at least one of these, as they stand in the task (`violation:violate`). `category`: a
    reason names this class. `since` (included) and `until` (not included) are of the time when the
    task was opened. `product_id` is the shop's, as text.
    """

    reasons: tuple[str, ...] | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    product_id: str | None = None
    kind: str | None = None

    def conditions(self, commerce: Table) -> list[ColumnElement[bool]]:
        """The filters as SQL over `review_task`; `commerce` is the shop's table of photos."""
        task = review_task.c
        found: list[ColumnElement[bool]] = []
        if self.reasons is not None:
            found.append(_any_reason(self.reasons))
        if self.category is not None:
            found.append(_any_reason([f"{word}:{self.category}" for word in NAMING]))
        if self.since is not None:
            found.append(task.opened_at >= self.since)
        if self.until is not None:
            found.append(task.opened_at < self.until)
        if self.product_id is not None:
            found.append(_of_product(commerce, self.product_id))
        if self.kind is not None:
            found.append(task.kind == self.kind)
        return found


def _any_reason(reasons: Sequence[str]) -> ColumnElement[bool]:
    overlap: ColumnElement[bool] = review_task.c.reasons.overlap(cast(list(reasons), ARRAY(Text)))
    return overlap


class _AsTheColumnIs(UserDefinedType[str]):
    """Text whose type PostgreSQL takes from the column beside it.

    A shop's product number may be text or a number; a cast of the column would lose its index.
    """

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "text"


def _of_product(commerce: Table, product_id: str) -> ColumnElement[bool]:
    wanted = bindparam(None, product_id, type_=_AsTheColumnIs(), unique=True)
    keys = select(commerce.c.object_key).where(commerce.c.product_id.op("=")(wanted))
    return review_task.c.object_key.in_(keys)
