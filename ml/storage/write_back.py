"""Write verdicts to the commerce database's `moderation_status`, never over a human decision.

A commerce row is written if its status is pending or null, if we wrote what it shows, or if its
decision is older than the object (a re-upload); all else is a decision of a reviewer or of the
commerce database's owner, and stays. If it is pending again and its bytes have a reviewer's
decision, it gets that decision. An image that could not be scored goes back to pending: the verdict
on earlier bytes under its key does not apply to it. Nothing is written for an object once a newer
one under its key is known, so a step of an older run may be repeated.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from ml.core.commerce_names import CommerceNames
from ml.storage.commerce import explain_refusal, is_older, same_key, text_status, to_stored
from ml.storage.schema import human_label, image, review_task


@dataclass(frozen=True)
class KeyRange:
    """Object keys after `after` (not included) up to `until` (included; "" is the last key)."""

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
        and object_key > :after and (object_key <= :until or :until = '')
    """
)

# The latest active reviewer decision on each object. Its commerce row may be pending again: the
# same bytes deleted and uploaded once more are the same object.
_REVIEWER_DECISIONS = sa.text(
    """
    select distinct on (ai.object_key) ai.object_key, ai.etag, ai.uploaded_at, l.decided_at,
        case r.policy -> 'classes' -> l.label ->> 'violation'
            when 'true' then :status_block when 'false' then :status_pass else :status_review
        end as status
    from moderation.audit_result ai
    join moderation.audit_run r on r.run_id = ai.run_id
    join moderation.review_task t on t.object_key = ai.object_key and t.etag = ai.etag
        and t.kind <> 'golden' and t.state = 'decided'
    join moderation.active_label l on l.content_sha256 = t.content_sha256 and l.task_id = t.task_id
    where ai.run_id = :run_id and ai.object_key > :after
        and (ai.object_key <= :until or :until = '')
    order by ai.object_key, l.label_id desc
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
        statuses = {
            "status_pass": names.status_pass,
            "status_review": names.status_review,
            "status_block": names.status_block,
        }
        outcomes = _OUTCOMES.bindparams(
            run_id=run_id, status_pending=names.status_pending, **statuses
        )
        decisions = _REVIEWER_DECISIONS.bindparams(run_id=run_id, **statuses)
        self._outcomes = outcomes.columns(**_STATUS_COLUMNS).subquery("outcome")
        self._decisions = decisions.columns(**_STATUS_COLUMNS).subquery("decision")

    def ranges(self, connection: sa.Connection, *, size: int) -> list[KeyRange]:
        """Cut the run's keys into ranges of `size` images, for one transaction each."""
        last_keys = connection.execute(_RANGES, {"run_id": self._run_id, "size": size}).scalars()
        return [KeyRange(after, until) for after, until in pairwise(["", *last_keys])]

    def write(self, connection: sa.Connection, keys: KeyRange) -> int:
        """Write one range; returns how many commerce rows changed. Idempotent.

        Raises `SettingsError` if the commerce table refuses a row.
        """
        values = asdict(keys)
        set_outcomes = self._set_status(self._outcomes, self._awaits_outcome())
        set_decisions = self._set_status(self._decisions, self._awaits_decision())
        with explain_refusal(self._commerce):
            changed = connection.execute(set_outcomes, values).rowcount
            changed += connection.execute(set_decisions, values).rowcount
        connection.execute(self._remember_written(), values)
        return changed

    def unwritten(self, connection: sa.Connection) -> int:
        """Commerce rows of the whole run that do not show its outcome although they should."""
        outcomes = self._count(self._outcomes, self._awaits_outcome())
        decisions = self._count(self._decisions, self._awaits_decision())
        run = asdict(KeyRange("", ""))
        return sum(connection.execute(query, run).scalar_one() for query in (outcomes, decisions))

    def _awaits_outcome(self) -> sa.ColumnElement[bool]:
        """Whether a commerce row should show an outcome, does not, and is ours to write."""
        outcome, commerce = self._outcomes.c, self._commerce.c
        return sa.and_(
            _same_object(self._commerce, self._outcomes),
            text_status(self._commerce).is_distinct_from(outcome.status),
            ~_newer_object(self._outcomes),
            ~_decided_by_reviewer(self._outcomes),
            sa.or_(
                commerce.moderation_status.is_(None),
                commerce.moderation_status == self._pending,
                is_older(self._commerce, outcome.uploaded_at),
                _written_by_us(self._commerce, self._outcomes),
            ),
        )

    def _awaits_decision(self) -> sa.ColumnElement[bool]:
        """Whether a commerce row is pending although a reviewer has decided on its object."""
        status = text_status(self._commerce)
        return sa.and_(
            _same_object(self._commerce, self._decisions),
            ~_newer_object(self._decisions),
            sa.func.coalesce(status, self._pending) == self._pending,
        )

    def _set_status(self, source: sa.FromClause, condition: sa.ColumnElement[bool]) -> sa.Update:
        commerce, shown = self._commerce.c, source.c
        values = {
            "moderation_status": to_stored(commerce.moderation_status, shown.status),
            "moderated_at": to_stored(commerce.moderated_at, shown.decided_at),
        }
        return sa.update(self._commerce).where(condition).values(values)

    def _count(self, source: sa.FromClause, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
        return sa.select(sa.func.count()).select_from(self._commerce.join(source, condition))

    def _remember_written(self) -> sa.Update:
        """Note in the ledger what we wrote: it distinguishes our writes from others'."""
        outcome, moderated_at = self._outcomes.c, self._commerce.c.moderated_at
        return (
            sa.update(image)
            .where(
                image.c.object_key == outcome.object_key,
                image.c.etag == outcome.etag,
                _same_object(self._commerce, self._outcomes),
                text_status(self._commerce) == outcome.status,
                moderated_at.is_not_distinct_from(to_stored(moderated_at, outcome.decided_at)),
                sa.or_(
                    image.c.written_status.is_distinct_from(outcome.status),
                    image.c.written_at.is_distinct_from(outcome.decided_at),
                ),
            )
            .values(written_status=outcome.status, written_at=outcome.decided_at)
        )


def _same_object(commerce: sa.Table, source: sa.FromClause) -> sa.ColumnElement[bool]:
    return same_key(commerce, source.c.object_key)


def _newer_object(source: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a newer object under the same key is known."""
    newer = image.alias("newer")
    return sa.exists().where(
        newer.c.object_key == source.c.object_key,
        newer.c.etag.not_in([source.c.etag, ""]),
        newer.c.uploaded_at > source.c.uploaded_at,
    )


def _decided_by_reviewer(source: sa.FromClause) -> sa.ColumnElement[bool]:
    task, label = review_task.c, human_label.c
    return sa.exists().where(
        label.content_sha256 == task.content_sha256,
        label.task_id == task.task_id,
        task.object_key == source.c.object_key,
        task.etag == source.c.etag,
        # Golden tasks have no label; without this, the partial index on the others is not used.
        task.kind != sa.literal_column("'golden'"),
        task.state == "decided",
    )


def _written_by_us(commerce: sa.Table, source: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether the commerce row shows what we last wrote to it, in its own resolution."""
    written, moderated_at = image.alias("written").c, commerce.c.moderated_at
    return sa.exists().where(
        written.object_key == source.c.object_key,
        written.written_status == text_status(commerce),
        moderated_at.is_not_distinct_from(to_stored(moderated_at, written.written_at)),
    )
