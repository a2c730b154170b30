"""Rows that retention may delete: quarantine, shadow verdicts and superseded verdicts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ml.storage.purge import Count
from ml.storage.schema import (
    audit_image,
    audit_run,
    blocklist_photo,
    champion,
    golden_photo,
    human_label,
    image,
    quarantine,
    retrain_run,
    review_task,
    shadow,
    shadow_verdict,
    verdict,
)

_later_image = image.alias("later_image")
_later_verdict = verdict.alias("later_verdict")


@dataclass(frozen=True)
class ExpiredRows:
    """The rows of a table that meet a condition on it."""

    table: sa.Table
    condition: sa.ColumnElement[bool]

    def count(self, connection: Connection) -> Count:
        """How many there are, and their size."""
        size = self._size.label("bytes")
        rows = sa.select(size).select_from(self.table).where(self.condition).subquery()
        return _sum(connection, rows)

    def delete(self, connection: Connection, *, limit: int | None = None) -> Count:
        """Delete them, at most `limit`; returns how many were deleted, and their size."""
        condition = self.condition if limit is None else self._among_first(limit)
        statement = sa.delete(self.table).where(condition).returning(self._size.label("bytes"))
        return _sum(connection, statement.cte("deleted"))

    @property
    def _size(self) -> sa.ColumnElement[int]:
        return sa.func.pg_column_size(self.table.table_valued())

    def _among_first(self, limit: int) -> sa.ColumnElement[bool]:
        key = list(self.table.primary_key)
        first = sa.select(*key).where(self.condition).limit(limit)
        # Not correlated: the inner query reads the table again.
        return sa.tuple_(*key).in_(first.correlate(None))


def _sum(connection: Connection, rows: sa.FromClause) -> Count:
    size = sa.func.coalesce(sa.func.sum(rows.c.bytes), 0)
    items, total = connection.execute(sa.select(sa.func.count(), size).select_from(rows)).one()
    return Count(items, int(total))


def mark_runs_expired(connection: Connection, *, cutoff: datetime, since: datetime) -> None:
    """Mark the reconciled runs older than `since`: their stored account holds from now on."""
    runs = sa.update(audit_run).where(audit_run.c.expired_at.is_(None), _is_old_run(since))
    connection.execute(runs.values(expired_at=cutoff))


def expired_quarantine(since: datetime) -> ExpiredRows:
    """Resolved rows older than `since` that no newer or unreconciled run counts.

    Resolved is a row that a later run released, or whose key a newer object has that was scored.
    """
    replaced = sa.exists().where(
        image.c.object_key == quarantine.c.object_key,
        image.c.etag == quarantine.c.etag,
        _later_image.c.object_key == image.c.object_key,
        _later_image.c.etag != image.c.etag,
        _later_image.c.state == "judged",
        _later_image.c.uploaded_at >= image.c.uploaded_at,
    )
    still_counted = sa.exists().where(
        audit_image.c.object_key == quarantine.c.object_key,
        audit_image.c.etag == quarantine.c.etag,
        audit_image.c.outcome == "quarantined",
        audit_run.c.run_id == audit_image.c.run_id,
        ~_is_old_run(since),
    )
    expired = sa.and_(
        quarantine.c.quarantined_at < since,
        sa.or_(quarantine.c.released_by.is_not(None), replaced),
        ~still_counted,
    )
    return ExpiredRows(quarantine, expired)


def expired_shadow_verdicts(since: datetime) -> ExpiredRows:
    """Those of runs older than `since` whose shadow model is neither in use nor under approval."""
    in_shadow = sa.exists().where(shadow.c.model_hash == audit_run.c.shadow_hash)
    under_approval = sa.exists().where(
        retrain_run.c.candidate_hash == audit_run.c.shadow_hash, retrain_run.c.state == "running"
    )
    runs = sa.select(audit_run.c.run_id).where(_is_old_run(since), ~in_shadow, ~under_approval)
    return ExpiredRows(shadow_verdict, shadow_verdict.c.run_id.in_(runs))


def superseded_verdicts(since: datetime, *, after: str, until: str) -> ExpiredRows:
    """Superseded verdicts older than `since` that nothing needs, on contents of (after, until]."""
    v = verdict.c
    superseded = sa.exists().where(
        _later_verdict.c.content_sha256 == v.content_sha256,
        _rank(_later_verdict) > _rank(verdict),
    )
    of_recent_run = sa.exists().where(
        audit_run.c.model_hash == v.model_hash,
        audit_run.c.policy_version == v.policy_version,
        ~_is_old_run(since),
    )
    unneeded = sa.and_(
        v.content_sha256 > after,
        v.content_sha256 <= until,
        v.judged_at < since,
        superseded,
        v.model_hash.not_in(sa.select(champion.c.model_hash)),
        ~of_recent_run,
        ~_names_content(review_task),
        ~_names_content(human_label),
        ~_names_content(golden_photo),
        ~_names_content(blocklist_photo),
    )
    return ExpiredRows(verdict, unneeded)


def last_content_of_page(connection: Connection, after: str, limit: int) -> str | None:
    """The last of the next `limit` content hashes with verdicts; None at the end."""
    content = verdict.c.content_sha256
    page = sa.select(content).where(content > after).order_by(content).limit(limit).subquery()
    last: str | None = connection.execute(sa.select(sa.func.max(page.c.content_sha256))).scalar()
    return last


def _is_old_run(since: datetime) -> sa.ColumnElement[bool]:
    """By its window and by when it began: an old window may have been run again of late."""
    youngest = sa.func.greatest(audit_run.c.window_end, audit_run.c.started_at)
    return sa.and_(audit_run.c.state == "reconciled", youngest < since)


def _rank(verdicts: sa.FromClause) -> sa.ColumnElement[Any]:
    columns = verdicts.c
    return sa.tuple_(columns.judged_at, columns.model_hash, columns.policy_version)


def _names_content(table: sa.Table) -> sa.Exists:
    return sa.exists().where(table.c.content_sha256 == verdict.c.content_sha256)
