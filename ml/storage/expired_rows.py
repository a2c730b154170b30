"""Rows that retention may delete: quarantine, shadow verdicts and superseded verdicts."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ml.storage.purge import Count
from ml.storage.rows import is_found, last_of_page
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
    """The rows of a table that meet a condition on it.

    They are walked in the order of `key`, the first column of an index; `within` is the part of the
    table that is walked, where it is not all of it.
    """

    key: sa.Column[str]
    condition: sa.ColumnElement[bool]
    within: sa.ColumnElement[bool] = field(default_factory=sa.true)

    def last_of_page(self, connection: Connection, after: str, limit: int) -> str | None:
        """The key of the last of the next `limit` rows, expired or not; None at the end."""
        return last_of_page(connection, self.key, after, limit, self.within)[0]

    def between(self, after: str, until: str) -> "ExpiredRows":
        """Those of them with keys of (after, until]."""
        return replace(self, within=self.within & (self.key > after) & (self.key <= until))

    def count(self, connection: Connection) -> Count:
        """How many there are, and their size."""
        size = self._size.label("bytes")
        rows = sa.select(size).select_from(self.key.table).where(self.within, self.condition)
        return _sum(connection, rows.subquery())

    def delete(self, connection: Connection) -> Count:
        """Delete them; returns how many were deleted, and their size."""
        expired = sa.delete(self.key.table).where(self.within, self.condition)
        return _sum(connection, expired.returning(self._size.label("bytes")).cte("deleted"))

    @property
    def _size(self) -> sa.ColumnElement[int]:
        return sa.func.pg_column_size(self.key.table.table_valued())


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
    replaced = is_found(
        image.join(_later_image, image.c.object_key == _later_image.c.object_key),
        image.c.object_key == quarantine.c.object_key,
        image.c.etag == quarantine.c.etag,
        _later_image.c.etag != image.c.etag,
        _later_image.c.state == "judged",
        _later_image.c.uploaded_at >= image.c.uploaded_at,
    )
    still_counted = is_found(
        audit_image.join(audit_run),
        audit_image.c.object_key == quarantine.c.object_key,
        audit_image.c.etag == quarantine.c.etag,
        audit_image.c.outcome == "quarantined",
        ~_is_old_run(since),
    )
    expired = sa.and_(
        quarantine.c.quarantined_at < since,
        sa.or_(quarantine.c.released_by.is_not(None), replaced),
        ~still_counted,
    )
    return ExpiredRows(quarantine.c.object_key, expired)


def expired_shadow_runs(connection: Connection, since: datetime) -> list[str]:
    """Runs older than `since` whose shadow model is neither in use nor under approval."""
    in_shadow = sa.exists().where(shadow.c.model_hash == audit_run.c.shadow_hash)
    under_approval = sa.exists().where(
        retrain_run.c.candidate_hash == audit_run.c.shadow_hash, retrain_run.c.state == "running"
    )
    runs = sa.select(audit_run.c.run_id).where(
        audit_run.c.shadow_hash.is_not(None), _is_old_run(since), ~in_shadow, ~under_approval
    )
    return list(connection.execute(runs).scalars())


def shadow_verdicts_of(run_id: str) -> ExpiredRows:
    """All shadow verdicts of a run."""
    of_run = shadow_verdict.c.run_id == run_id
    return ExpiredRows(shadow_verdict.c.content_sha256, sa.true(), of_run)


def superseded_verdicts(since: datetime) -> ExpiredRows:
    """Superseded verdicts older than `since` that nothing needs."""
    v = verdict.c
    superseded = is_found(
        _later_verdict,
        _later_verdict.c.content_sha256 == v.content_sha256,
        _rank(_later_verdict) > _rank(verdict),
    )
    recent = sa.select(audit_run.c.model_hash, audit_run.c.policy_version).where(
        ~_is_old_run(since)
    )
    unneeded = sa.and_(
        v.judged_at < since,
        superseded,
        v.model_hash.not_in(sa.select(champion.c.model_hash)),
        sa.tuple_(v.model_hash, v.policy_version).not_in(recent),
        ~_names_content(review_task),
        ~_names_content(human_label),
        ~_names_content(golden_photo),
        ~_names_content(blocklist_photo),
    )
    return ExpiredRows(v.content_sha256, unneeded)


def _is_old_run(since: datetime) -> sa.ColumnElement[bool]:
    """By its window and by when it began: an old window may have been run again of late."""
    youngest = sa.func.greatest(audit_run.c.window_end, audit_run.c.started_at)
    return sa.and_(audit_run.c.state == "reconciled", youngest < since)


def _rank(verdicts: sa.FromClause) -> sa.ColumnElement[Any]:
    columns = verdicts.c
    return sa.tuple_(columns.judged_at, columns.model_hash, columns.policy_version)


def _names_content(table: sa.Table) -> sa.ColumnElement[bool]:
    return is_found(table, table.c.content_sha256 == verdict.c.content_sha256)
