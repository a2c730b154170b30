"""Copies of photos that people decided on: `labelled/<SHA-256>` of the model bucket.

Their clock starts at the last decision; of an imported label, which may be old, when it came in if
that was later. The label, the photo's hashes and its place in the shop stay: only the bytes go.
Kept, whatever their age, are photos
- of a golden set: every candidate is measured on them;
- that are known to be bad: no candidate may pass them;
- that somebody is asked about: an open second review or appeal;
- of the month that is under way: its steps read them.

Bytes that no row names stay: another installation may share the bucket. Rows are marked before the
bytes go, and the next run looks at the bucket again: a kill leaves nothing behind for good.
"""

from sqlalchemy import Connection, select, text

from ml.connections import Connections
from ml.retention.local_copies import forget_copies
from ml.retention.plan import Plan
from ml.retention.purging import Count, Purged, Purging
from ml.retraining.manifest import get_golden, get_manifest
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.labelled_photos import deleted
from ml.storage.object_store import ListedObject
from ml.storage.schema import golden_photo, golden_set, retrain_run

KIND = "kept_photos"

_PREFIX = "labelled/"

_DUE = text(
    """
    select p.content_sha256 from moderation.labelled_photo p
    where p.content_sha256 = any(cast(:contents as text[])) and p.deleted_at is null
        and (
            select max(
                case when h.task_id is null then greatest(h.decided_at, p.stored_at)
                else h.decided_at end
            )
            from moderation.human_label h where h.content_sha256 = p.content_sha256
        ) < :since
        and not exists (
            select from moderation.known_bad b where b.content_sha256 = p.content_sha256
        )
        and not exists (
            select from moderation.golden_photo g where g.content_sha256 = p.content_sha256
        )
        and not exists (
            select from moderation.review_task t
            where t.content_sha256 = p.content_sha256 and t.state in ('open', 'claimed')
        )
    """
)
_MARK = text(
    """
    update moderation.labelled_photo set deleted_at = :cut_off
    where content_sha256 = any(cast(:contents as text[]))
    """
)


def purge_kept_photos(plan: Plan, connections: Connections, settings: Settings) -> Purged:
    """Walk the bucket, a page of the listing at a time; then the copies on this machine."""
    days = plan.retention.kept_photo_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    needed = _needed(connections)
    for page in connections.models.list_pages(_PREFIX):
        files = {file.key.removeprefix(_PREFIX): file for file in page}
        _purge_page(files, needed, purging)
    if not plan.dry_run:
        forget_copies(settings, connections.engine)
    return purging.purged()


def _purge_page(files: dict[str, ListedObject], needed: set[str], purging: Purging) -> None:
    contents = sorted(files.keys() - needed)
    dry_run = purging.plan.dry_run

    def mark(connection: Connection) -> Count:
        values = {"contents": contents, "since": purging.since}
        due = list(connection.execute(_DUE, values).scalars())
        if due and not dry_run:
            connection.execute(_MARK, {"contents": due, "cut_off": purging.plan.cut_off})
        return Count(len(due), sum(files[content].size_bytes for content in due))

    purging.batch(mark)
    if not dry_run:
        # Of this batch, and of one that was killed before it came to this.
        gone = in_transaction(purging.connections.engine, lambda c: deleted(c, contents))
        purging.connections.models.delete_many([files[content].key for content in gone])


def _needed(connections: Connections) -> set[str]:
    """Photos that only the bucket says are needed: of the month under way, of old golden sets."""
    golden, snapshot = in_transaction(
        connections.engine, lambda c: (_unlisted_golden(c), _snapshot_under_way(c))
    )
    found: set[str] = set()
    for golden_hash in golden:
        photos = get_golden(connections.models, golden_hash).photos
        found |= {photo.content_sha256 for photo in photos}
    if snapshot is not None:
        manifest = get_manifest(connections.models, snapshot)
        found |= {photo.content_sha256 for photo in manifest.photos}
    return found


def _unlisted_golden(connection: Connection) -> list[str]:
    """Golden sets from before `moderation.golden_photo`."""
    listed = select(golden_photo.c.golden_hash).where(
        golden_photo.c.golden_hash == golden_set.c.golden_hash
    )
    return list(
        connection.execute(select(golden_set.c.golden_hash).where(~listed.exists())).scalars()
    )


def _snapshot_under_way(connection: Connection) -> str | None:
    """The snapshot of the newest month, unless it is over; older ones without end are given up."""
    columns = retrain_run.c
    newest = select(columns.state, columns.snapshot_hash).order_by(columns.started_at.desc())
    row = connection.execute(newest.limit(1)).first()
    return row.snapshot_hash if row is not None and row.state == "running" else None
