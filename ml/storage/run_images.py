"""The images of a run: fills the ledger `image` and the run's `audit_image`."""

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from ml.core.errors import QuarantineReason
from ml.storage.audit_runs import AuditRun
from ml.storage.commerce import can_be_key, instant, is_key, same_key, text_key
from ml.storage.quarantine import QuarantineRow, put_in_quarantine
from ml.storage.rows import insert_new
from ml.storage.s3_responses import ListedObject
from ml.storage.schema import audit_image, image

log = structlog.get_logger()

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

# Objects uploaded after the window: they belong to the next run, but are not absent.
_LATER = sa.table("later_object", sa.column("object_key"))
_CREATE_LATER = sa.text("create temporary table later_object (object_key text) on commit drop")

_ADD_LATER = sa.text("insert into later_object select unnest(cast(:keys as text[]))")

# One statement a page. The joins read the state before this statement, without the rows that it
# inserts into the ledger: an object that is new to us has no row `i`.
_ADD_PAGE = sa.text(
    """
    with page as (
        select * from unnest(
            cast(:keys as text[]), cast(:etags as text[]), cast(:sizes as bigint[]),
            cast(:times as timestamptz[])
        ) as listed(object_key, etag, size_bytes, uploaded_at)
    ), ledger as (
        insert into moderation.image (object_key, etag, size_bytes, uploaded_at)
        select * from page
        on conflict (object_key, etag) do update set uploaded_at = excluded.uploaded_at
            where excluded.uploaded_at > image.uploaded_at  -- the same bytes, uploaded once more
    )
    insert into moderation.audit_image (run_id, object_key, etag, outcome)
    select :run_id, p.object_key, p.etag,
        case when v.content_sha256 is not null then 'already_judged' end
    from page p
    left join moderation.image i on i.object_key = p.object_key and i.etag = p.etag
    left join moderation.quarantine q
        on q.object_key = p.object_key and q.etag = p.etag and q.released_by is null
    left join moderation.verdict v on i.state = 'judged'
        and v.content_sha256 = i.content_sha256
        and v.model_hash = :model_hash and v.policy_version = :policy_version
    where p.uploaded_at >= :window_start
        or i.object_key is null
        or i.state = 'listed'
        or (i.state = 'quarantined' and q.reason = any(cast(:retryable as text[])))
    on conflict (run_id, object_key) do nothing  -- prefixes overlap, or a page repeats a key
    """
)


class Discovery:
    """Fills `audit_image` for one run, inside the caller's transaction.

    The run gets the objects that were uploaded in the window, and of those uploaded earlier, within
    the lookback days, the ones that no run has settled: late arrivals, photos of a failed run, and
    quarantined photos that may succeed now. `listed` counts the run's images.
    """

    def __init__(
        self, connection: sa.Connection, run: AuditRun, *, commerce: sa.Table, lookback: timedelta
    ) -> None:
        self.listed = 0
        self._connection = connection
        self._run = run
        self._commerce = commerce
        self._earliest = run.window.start - lookback
        connection.execute(_CREATE_LATER)

    def add_page(self, page: list[ListedObject]) -> None:
        """Add one page of a listing."""
        end = self._run.window.end
        objects = [o for o in page if is_key(o.key)]
        if len(objects) < len(page):  # no commerce row can name them
            log.warning("objects whose keys no row can hold", objects=len(page) - len(objects))
        later = [o.key for o in objects if o.modified_at >= end]
        if later:
            self._connection.execute(_ADD_LATER, {"keys": later})
        due = [o for o in objects if self._earliest <= o.modified_at < end]
        if due:
            self.listed += self._connection.execute(_ADD_PAGE, self._values(due)).rowcount

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
            "retryable": [reason.value for reason in RETRYABLE],
        }

    def quarantine_without_row(self) -> None:
        """Quarantine objects without a commerce row: nothing could be written back for them."""
        has_row = sa.exists().where(same_key(self._commerce, audit_image.c.object_key))
        undecided = sa.and_(
            audit_image.c.run_id == self._run.run_id, audit_image.c.outcome.is_(None)
        )
        objects = self._connection.execute(
            sa.update(audit_image)
            .where(undecided, ~has_row)
            .values(outcome="quarantined")
            .returning(audit_image.c.object_key, audit_image.c.etag)
        )
        reason, detail = QuarantineReason.NO_COMMERCE_ROW, "no commerce row names this object"
        rows = [QuarantineRow(key, etag, reason, detail) for key, etag in objects]
        put_in_quarantine(self._connection, self._run.run_id, rows)

    def quarantine_absent(self, pending: str) -> None:
        """Quarantine pending commerce rows of window and lookback days without an object."""
        absent = self._connection.execute(self._select_absent(pending)).all()
        if not absent:
            return
        objects = [
            {"object_key": k, "etag": "", "size_bytes": 0, "uploaded_at": t} for k, t in absent
        ]
        insert_new(self._connection, image, objects)
        run_id = self._run.run_id
        images = [
            {"run_id": run_id, "object_key": k, "etag": "", "outcome": "quarantined"}
            for k, _ in absent
        ]
        self._connection.execute(sa.insert(audit_image), images)
        self.listed += len(absent)
        reason = QuarantineReason.OBJECT_ABSENT
        rows = [QuarantineRow(k, "", reason, "the bucket holds no such object") for k, _ in absent]
        put_in_quarantine(self._connection, run_id, rows)

    def count_rows_without_key(self, pending: str) -> int:
        """Pending commerce rows of window and lookback days whose key no object can have."""
        without_key = sa.and_(self._is_due(pending), ~can_be_key(self._commerce))
        query = sa.select(sa.func.count()).select_from(self._commerce).where(without_key)
        return self._connection.execute(query).scalar_one()

    def _select_absent(self, pending: str) -> sa.Select[str, datetime]:
        key = text_key(self._commerce)
        in_run = sa.exists().where(
            audit_image.c.run_id == self._run.run_id, audit_image.c.object_key == key
        )
        settled = sa.exists().where(
            image.c.object_key == key, image.c.etag != "", image.c.state != "listed"
        )
        later = sa.exists().where(_LATER.c.object_key == key)
        uploaded_at = sa.func.min(instant(self._commerce.c.uploaded_at))
        due = sa.and_(self._is_due(pending), can_be_key(self._commerce))
        return sa.select(key, uploaded_at).where(due, ~in_run, ~settled, ~later).group_by(key)

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
