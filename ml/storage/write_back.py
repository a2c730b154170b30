"""Write verdicts to the commerce database's `moderation_status`, never over a human decision.

A commerce row is written if its status is pending or null, if we wrote what it shows, or if its
decision is older than the object (a re-upload); all else is a decision of a reviewer or of the
commerce database's owner, and stays. If it is pending again and its bytes have a reviewer's
decision, it gets that decision. An image that could not be scored goes back to pending: the verdict
on earlier bytes under its key does not apply to it. Nothing is written for an object once a newer
one under its key is known, so a step of an older run may be repeated.

Each image is looked up by itself (`offset 0`, `is_found`) and each row is written by its key: the
statistics, which do not know the run's rows, cannot make a statement read a table.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from ml.core.commerce_names import CommerceNames
from ml.storage.commerce import explain_refusal, is_older, same_key, text_status, to_stored
from ml.storage.quarantine import UPDATE_LEDGER
from ml.storage.rows import is_found
from ml.storage.schema import human_label, image, review_task

IMAGES_PER_RANGE = 5000


@dataclass(frozen=True)
class KeyRange:
    """Object keys after `after` (not included) up to `until` (included)."""

    after: str
    until: str


_RANGES = sa.text(
    """
    select object_key from (
        select object_key, row_number() over (order by object_key) as position,
            count(*) over () as images
        from moderation.audit_image where run_id = :run_id
    ) as numbered
    where position % :size = 0 or position = images
    order by position
    """
)

# The status that the commerce row of each settled image should show.
_OUTCOMES = sa.text(
    """
    select object_key, etag, uploaded_at, judged_at as decided_at,
        case decision
            when 'pass' then :status_pass when 'review' then :status_review
            when 'block' then :status_block else :status_pending
        end as status
    from moderation.audit_result
    where run_id = :run_id and (decision is not null or outcome = 'quarantined')
        and object_key > :after and object_key <= :until
    """
)

# The latest active reviewer decision on each object. Its commerce row may be pending again: the
# same bytes deleted and uploaded once more are the same object.
_REVIEWER_DECISIONS = sa.text(
    """
    select ai.object_key, ai.etag, ai.uploaded_at, decision.decided_at,
        case r.policy -> 'classes' -> decision.label ->> 'violation'
            when 'true' then :status_block when 'false' then :status_pass else :status_review
        end as status
    from moderation.audit_run r
    join moderation.audit_result ai on ai.run_id = r.run_id
    join lateral (
        select l.label_id, l.label, l.decided_at from moderation.review_task t
        join lateral (
            select label_id, label, decided_at from moderation.active_label l
            where l.content_sha256 = t.content_sha256 and l.task_id = t.task_id offset 0
        ) l on true
        where t.object_key = ai.object_key and t.etag = ai.etag
            and t.kind <> 'golden' and t.state = 'decided'
        order by l.label_id desc limit 1
    ) decision on true
    where r.run_id = :run_id and ai.object_key > :after and ai.object_key <= :until
    """
)

_STATUS_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("object_key", "etag", "status"), sa.Text),
    **dict.fromkeys(("uploaded_at", "decided_at"), sa.DateTime(timezone=True)),
}


class WriteBack:
    """What one run has to write to the commerce rows."""

    def __init__(self, run_id: str, commerce: sa.Table, names: CommerceNames) -> None:
        self._run_id = run_id
        self._commerce = commerce
        self._pending = names.status_pending
        statuses = names.statuses()
        outcomes = _OUTCOMES.bindparams(run_id=run_id, **statuses)
        del statuses["status_pending"]
        decisions = _REVIEWER_DECISIONS.bindparams(run_id=run_id, **statuses)
        self._outcomes = outcomes.columns(**_STATUS_COLUMNS).subquery("outcome")
        self._decisions = decisions.columns(**_STATUS_COLUMNS).subquery("decision")
        self._outcome_row = _row_of(self._commerce, self._outcomes)
        self._decision_row = _row_of(self._commerce, self._decisions)

    def ranges(self, connection: sa.Connection) -> list[KeyRange]:
        """Cut the run's keys into ranges of IMAGES_PER_RANGE, for one transaction each."""
        values = {"run_id": self._run_id, "size": IMAGES_PER_RANGE}
        last_keys = connection.execute(_RANGES, values).scalars()
        return [KeyRange(after, until) for after, until in pairwise(["", *last_keys])]

    def write(self, connection: sa.Connection, keys: KeyRange) -> int:
        """Write one range; returns how many commerce rows changed. Idempotent.

        Raises `SettingsError` if the commerce table refuses a row.
        """
        changed = 0
        with explain_refusal(self._commerce):
            for query in (self._due_outcomes(), self._due_decisions()):
                changed += self._set_statuses(connection, query, keys)
        self._remember_written(connection, keys)
        return changed

    def unwritten(self, connection: sa.Connection) -> int:
        """Commerce rows of the whole run that do not show its outcome although they should."""
        due = [
            connection.execute(query, asdict(keys)).all()
            for query in (self._due_outcomes(), self._due_decisions())
            for keys in self.ranges(connection)
        ]
        return sum(map(len, due))

    def _set_statuses(self, connection: sa.Connection, due: sa.Select[Any], keys: KeyRange) -> int:
        """Write the rows that are due, unless one has changed since it was read."""
        row, value = self._commerce.c, sa.bindparam
        statement = (
            sa.update(self._commerce)
            .where(
                same_key(self._commerce, value("key", type_=sa.Text)),
                text_status(self._commerce).is_not_distinct_from(value("seen")),
                sa.cast(row.moderated_at, sa.Text).is_not_distinct_from(value("seen_at")),
            )
            .values(moderation_status=value("status"), moderated_at=value("decided_at"))
        )
        rows = [{**row} for row in connection.execute(due, asdict(keys)).mappings()]
        return connection.execute(statement, rows).rowcount if rows else 0

    def _due_outcomes(self) -> sa.Select[Any]:
        """Rows that should show an outcome, do not, and are ours to write."""
        outcome, row = self._outcomes.c, self._outcome_row.c
        return _select_due(self._outcomes, self._outcome_row).where(
            text_status(self._outcome_row).is_distinct_from(outcome.status),
            ~_newer_object(self._outcomes),
            ~_decided_by_reviewer(self._outcomes),
            sa.or_(
                row.moderation_status.is_(None),
                row.moderation_status == self._pending,
                is_older(self._outcome_row, outcome.uploaded_at),
                _written_by_us(self._outcome_row, self._outcomes),
            ),
        )

    def _due_decisions(self) -> sa.Select[Any]:
        """Rows that are pending although a reviewer has decided on their object."""
        status = text_status(self._decision_row)
        return _select_due(self._decisions, self._decision_row).where(
            ~_newer_object(self._decisions),
            sa.func.coalesce(status, self._pending) == self._pending,
        )

    def _remember_written(self, connection: sa.Connection, keys: KeyRange) -> None:
        """Note in the ledger what we wrote: it distinguishes our writes from others'."""
        outcome, row = self._outcomes.c, self._outcome_row.c
        is_noted = is_found(
            image,
            image.c.object_key == outcome.object_key,
            image.c.etag == outcome.etag,
            image.c.written_status.is_not_distinct_from(outcome.status),
            image.c.written_at.is_not_distinct_from(outcome.decided_at),
        )
        shown = sa.select(
            outcome.object_key.label("key"),
            outcome.etag.label("tag"),
            outcome.status.label("written_status"),
            outcome.decided_at.label("written_at"),
        )
        shown = shown.select_from(self._outcomes.join(self._outcome_row, sa.true())).where(
            text_status(self._outcome_row) == outcome.status,
            row.moderated_at.is_not_distinct_from(to_stored(row.moderated_at, outcome.decided_at)),
            ~is_noted,
        )
        rows = [{**row} for row in connection.execute(shown, asdict(keys)).mappings()]
        if rows:
            connection.execute(UPDATE_LEDGER, rows)


def _row_of(commerce: sa.Table, source: sa.Subquery) -> sa.FromClause:
    """The commerce rows of each object of a source."""
    return sa.select(commerce).where(same_key(commerce, source.c.object_key)).offset(0).lateral()


def _select_due(source: sa.Subquery, row: sa.FromClause) -> sa.Select[Any]:
    seen = text_status(row).label("seen")
    # As text, which a time that means no instant has too, such as infinity.
    seen_at = sa.cast(row.c.moderated_at, sa.Text).label("seen_at")
    key = source.c.object_key.label("key")
    query = sa.select(key, *source.c["status", "decided_at"], seen, seen_at)
    return query.select_from(source.join(row, sa.true())).order_by(key)


def _newer_object(source: sa.Subquery) -> sa.ColumnElement[bool]:
    """Whether a newer object under the same key is known."""
    newer = image.alias("newer")
    return is_found(
        newer,
        newer.c.object_key == source.c.object_key,
        newer.c.etag.not_in([source.c.etag, ""]),
        newer.c.uploaded_at > source.c.uploaded_at,
    )


def _decided_by_reviewer(source: sa.Subquery) -> sa.ColumnElement[bool]:
    task, label = review_task.c, human_label.c
    has_label = is_found(
        human_label, label.content_sha256 == task.content_sha256, label.task_id == task.task_id
    )
    return is_found(
        review_task,
        task.object_key == source.c.object_key,
        task.etag == source.c.etag,
        task.kind != sa.literal_column("'golden'"),  # has none; for the index of all others
        task.state == "decided",
        has_label,
    )


def _written_by_us(row: sa.FromClause, source: sa.Subquery) -> sa.ColumnElement[bool]:
    """Whether the commerce row shows what we last wrote to it, in its own resolution."""
    moderated_at = row.c.moderated_at
    return is_found(
        image,
        image.c.object_key == source.c.object_key,
        image.c.written_status == text_status(row),
        moderated_at.is_not_distinct_from(to_stored(moderated_at, image.c.written_at)),
    )
