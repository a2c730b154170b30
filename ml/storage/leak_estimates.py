"""`moderation.leak_estimate`: the leak rate by month, decision and class, as last computed."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from ml.storage.schema import leak_estimate

_KEY = ("month", "decision", "class")
_VALUES = (
    "sampled", "reviewed", "violations", "rate", "low", "high", "confidence", "computed_at",
)  # fmt: skip

_LATEST = text(
    """
    select to_char(month, 'YYYY-MM') as month, decision, class, sampled, reviewed, violations, rate,
        low, high, confidence
    from moderation.leak_estimate
    where month > cast(:until as date) - interval '12 months' and month <= cast(:until as date)
    order by moderation.leak_estimate.month desc, decision desc, class
    """
)


def write_estimates(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert or replace estimates, one row a month, decision and class. Idempotent."""
    if not rows:
        return
    new = insert(leak_estimate)
    replaced = {name: new.excluded[name] for name in _VALUES}
    statement = new.on_conflict_do_update(index_elements=_KEY, set_=replaced)
    connection.execute(statement, [dict(row) for row in rows])


def leak_of_a_year(connection: Connection, *, until: str) -> list[dict[str, Any]]:
    """The estimates of the twelve months up to a day (ISO), the latest month first."""
    return [dict(row) for row in connection.execute(_LATEST, {"until": until}).mappings()]
