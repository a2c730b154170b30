"""The images of a run: fills the ledger `image` and the run's `audit_image`.

A page of objects or commerce rows is one transaction, and each of its keys is looked up by itself:
`offset 0` and `count(*)` keep the planner from joining whole tables or searching them from their
start. The statistics never know the rows of the running run.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from ml.core.concurrency import batched
from ml.core.errors import QuarantineReason
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.commerce import can_be_key, instant, is_key, load_known_keys, text_key
from ml.storage.pending_images import set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine
from ml.storage.rows import insert_new
from ml.storage.s3_responses import ListedObject
from ml.storage.schema import audit_image, image

log = structlog.get_logger()

PAGE = 1000  # commerce rows
# Reasons that may no longer apply later: a later run retries these, within the lookback days.
RETRYABLE = (
    QuarantineReason.NO_COMMERCE_ROW,
    QuarantineReason.OBJECT_ABSENT,
    QuarantineReason.OBJECT_CHANGED,
    QuarantineReason.OBJECT_ARCHIVED,
    QuarantineReason.FORBIDDEN,
    QuarantineReason.UNREACHABLE,
)

_MARGIN = timedelta(days=2)  # more than any clock was ever set back

# The look-ups read the state before this statement, without the rows that it inserts: an object
# that is new to us has no state. Only rows that change are locked. An object uploaded after the
# window gets its ledger row, so that it is not absent, and belongs to the next run.
_ADD_PAGE = sa.text(
    """
    with page as (
        select listed.*, i.state, i.content_sha256, i.uploaded_at as known_at
        from unnest(
            cast(:keys as text[]), cast(:etags as text[]), cast(:sizes as bigint[]),
            cast(:times as timestamptz[])
        ) as listed(object_key, etag, size_bytes, uploaded_at)
        left join lateral (
            select state, content_sha256, uploaded_at from moderation.image i
            where i.object_key = listed.object_key and i.etag = listed.etag offset 0
        ) i on true
    ), ledger as (
        insert into moderation.image (object_key, etag, size_bytes, uploaded_at)
        select object_key, etag, size_bytes, uploaded_at from page
        where state is null or uploaded_at > known_at  -- the same bytes, uploaded once more
        on conflict (object_key, etag) do update set uploaded_at = excluded.uploaded_at
            where excluded.uploaded_at > image.uploaded_at
    )
    insert into moderation.audit_image (run_id, object_key, etag, outcome)
    select :run_id, p.object_key, p.etag,
        case when p.state = 'judged' and (
            select count(*) from moderation.verdict v where v.content_sha256 = p.content_sha256
                and v.model_hash = :model_hash and v.policy_version = :policy_version
        ) > 0 then 'already_judged' end
    from page p
    where p.uploaded_at < :window_end and (
        p.uploaded_at >= :window_start or p.state is null or p.state = 'listed'
        or p.state = 'quarantined' and (
            select count(*) from moderation.quarantine q
            where q.object_key = p.object_key and q.etag = p.etag and q.released_by is null
                and q.reason = any(cast(:retryable as text[]))
        ) > 0
    )
    on conflict (run_id, object_key) do update
        set etag = excluded.etag, outcome = excluded.outcome
        where audit_image.etag <> excluded.etag  -- replaced while it was listed
    returning object_key, etag, outcome
    """
)

# Neither is the key in the run, nor is a settled or later object under it known.
_SELECT_ABSENT = sa.text(
    """
    select object_key, uploaded_at
    from unnest(cast(:keys as text[]), cast(:times as timestamptz[]))
        as pending(object_key, uploaded_at)
    where (
        select count(*) from moderation.audit_image a
        where a.run_id = :run_id and a.object_key = pending.object_key
    ) = 0 and (
        select count(*) from moderation.image i
        where i.object_key = pending.object_key and i.etag <> ''
            and (i.state <> 'listed' or i.uploaded_at >= :window_end)
    ) = 0
    """
)


class Discovery:
    """Fills `audit_image` for one run; each method is idempotent, in the caller's transaction.

    The run gets the objects that were uploaded in the window, and of those uploaded earlier, within
    the lookback days, the ones that no run has settled: late arrivals, photos of a failed run, and
    quarantined photos that may succeed now.
    """

    def __init__(self, run: AuditRun, *, commerce: sa.Table, lookback: timedelta) -> None:
        self._run = run
        self._commerce = commerce
        self._earliest = run.window.start - lookback

    def add_page(self, connection: sa.Connection, page: Sequence[ListedObject]) -> int:
        """Add one page of a listing; returns how many images of the run are new or changed.

        Objects without a commerce row are quarantined: nothing could be written back for them.
        """
        objects = [o for o in page if is_key(o.key)]
        if len(objects) < len(page):  # no commerce row can name them
            log.warning("objects whose keys no row can hold", objects=len(page) - len(objects))
        due = [o for o in objects if o.modified_at >= self._earliest]
        if not due:
            return 0
        # Each key once, its latest upload, in one order everywhere: two runs would deadlock else.
        latest = {o.key: o for o in sorted(due, key=lambda o: o.modified_at)}
        values = self._values([latest[key] for key in sorted(latest)])
        added = connection.execute(_ADD_PAGE, values).all()
        undecided = {row.object_key: row.etag for row in added if row.outcome is None}
        known = load_known_keys(connection, self._commerce, list(undecided))
        without_row = [(key, etag) for key, etag in undecided.items() if key not in known]
        reason, detail = QuarantineReason.NO_COMMERCE_ROW, "no commerce row names this object"
        set_outcomes(connection, self._run.run_id, [key for key, _ in without_row], "quarantined")
        rows = [QuarantineRow(key, etag, reason, detail) for key, etag in without_row]
        put_in_quarantine(connection, self._run.run_id, rows)
        return len(added)

    def _values(self, objects: list[ListedObject]) -> dict[str, object]:
        return {
            "keys": [o.key for o in objects],
            "etags": [o.etag for o in objects],
            "sizes": [o.size_bytes for o in objects],
            "times": [o.modified_at for o in objects],
            "run_id": self._run.run_id,
            "model_hash": self._run.model_hash,
            "policy_version": self._run.policy.version,
            "window_start": self._run.window.start,
            "window_end": self._run.window.end,
            "retryable": [reason.value for reason in RETRYABLE],
        }

    def pending_pages(
        self, connection: sa.Connection, pending: str
    ) -> Iterator[list[tuple[str, datetime]]]:
        """Pages of (key, upload time) of the pending commerce rows of window and lookback days.

        One pass over them, whatever indexes the commerce table has.
        """
        uploaded_at = instant(self._commerce.c.uploaded_at)
        query = (
            sa.select(text_key(self._commerce), uploaded_at)
            .where(self._is_due(pending), can_be_key(self._commerce))
            .order_by(uploaded_at)
        )
        rows = connection.execute(query, execution_options={"yield_per": PAGE})
        for page in batched(rows, PAGE):
            yield [(key, uploaded_at) for key, uploaded_at in page]

    def _is_due(self, pending: str) -> sa.ColumnElement[bool]:
        """Whether a commerce row is pending, of the window or the lookback days."""
        columns, end = self._commerce.c, self._run.window.end
        uploaded_at = instant(columns.uploaded_at)
        return sa.and_(
            sa.or_(columns.moderation_status == pending, columns.moderation_status.is_(None)),
            # Of the column itself, for its index; wider, since a local time may be ambiguous.
            columns.uploaded_at.between(self._earliest - _MARGIN, end + _MARGIN),
            uploaded_at >= self._earliest,
            uploaded_at < end,
        )

    def quarantine_absent(
        self, connection: sa.Connection, page: Sequence[tuple[str, datetime]]
    ) -> None:
        """Quarantine those of a page of pending commerce rows that have no object."""
        first = dict(reversed(page))
        keys = sorted(first)
        values = {
            "keys": keys, "times": [first[key] for key in keys], "run_id": self._run.run_id,
            "window_end": self._run.window.end,
        }  # fmt: skip
        absent = connection.execute(_SELECT_ABSENT, values).all()
        objects = [
            {"object_key": k, "etag": "", "size_bytes": 0, "uploaded_at": t} for k, t in absent
        ]
        insert_new(connection, image, objects)
        run_id, reason = self._run.run_id, QuarantineReason.OBJECT_ABSENT
        images = [
            {"run_id": run_id, "object_key": k, "etag": "", "outcome": "quarantined"}
            for k, _ in absent
        ]
        insert_new(connection, audit_image, images)
        rows = [QuarantineRow(k, "", reason, "the bucket holds no such object") for k, _ in absent]
        put_in_quarantine(connection, run_id, rows)

    def finish(self, connection: sa.Connection, pending: str, *, shard_size: int) -> int:
        """Cut the shards and count; returns the pending rows whose key no object can have."""
        run_id = self._run.run_id
        listed = sa.select(sa.func.count()).where(audit_image.c.run_id == run_id)
        without_key = sa.and_(self._is_due(pending), ~can_be_key(self._commerce))
        rows = sa.select(sa.func.count()).select_from(self._commerce).where(without_key)
        values = {
            "listed": connection.execute(listed).scalar_one(),
            "rows_without_key": connection.execute(rows).scalar_one(),
        }
        audit_runs.cut_shards(connection, run_id, shard_size=shard_size)
        audit_runs.set_values(connection, run_id, **values)
        return values["rows_without_key"]
