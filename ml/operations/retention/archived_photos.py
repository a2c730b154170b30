"""Purge archived photos: `labelled/<SHA-256>` of the model bucket.

A photo's age counts from its last decision; for an imported label, which may be old, from when it
was imported if that was later. The label, the photo's hashes and its object key stay: only the
bytes are deleted. Kept, whatever their age, are photos
- of a golden set: every candidate is measured on them;
- on the blocklist: no candidate may pass them;
- with an open task, such as a second review or an appeal;
- of the running retraining run: its steps read them.

Bytes that no row names stay: another installation may share the bucket. Rows are marked before the
bytes are deleted, and the next run lists the bucket again: a killed run leaves nothing behind.
"""

from sqlalchemy import Connection

from ml.operations.retention.purge import Purging
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_archive import deleted
from ml.storage.photo_cache import evict_deleted
from ml.storage.purge import (
    Count,
    list_expired_photos,
    list_golden_sets_without_rows,
    mark_photos_deleted,
    running_snapshot,
)
from ml.storage.s3_responses import ListedObject
from ml.storage.snapshots import get_golden, get_manifest

_PREFIX = "labelled/"


def purge_archived_photos(purging: Purging) -> None:
    """Walk the bucket, a page of the listing at a time; then evict this machine's copies."""
    connections = purging.connections
    needed = _needed(connections)
    for page in connections.models.list_pages(_PREFIX):
        files = {file.key.removeprefix(_PREFIX): file for file in page}
        _purge_page(files, needed, purging)
    if not purging.plan.dry_run:
        evict_deleted(purging.settings, connections.engine)


def _purge_page(files: dict[str, ListedObject], needed: set[str], purging: Purging) -> None:
    contents = sorted(files.keys() - needed)
    plan, connections = purging.plan, purging.connections

    def mark(connection: Connection) -> Count:
        expired = list_expired_photos(connection, contents, purging.since)
        if expired and not plan.dry_run:
            mark_photos_deleted(connection, expired, plan.cutoff)
        return Count(len(expired), sum(files[content].size_bytes for content in expired))

    purging.batch(mark)
    if not plan.dry_run:
        # Those of this batch, and those of one that was killed before it deleted its bytes.
        marked = in_transaction(connections.engine, deleted, contents)
        connections.models.delete_many([files[content].key for content in marked])


def _needed(connections: Connections) -> set[str]:
    """Needed photos that only the bucket lists: of the running snapshot and old golden sets."""
    golden_sets = in_transaction(connections.engine, list_golden_sets_without_rows)
    needed = {
        photo.content_sha256
        for golden_hash in golden_sets
        for photo in get_golden(connections.models, golden_hash).photos
    }
    if snapshot := in_transaction(connections.engine, running_snapshot):
        manifest = get_manifest(connections.models, snapshot)
        needed |= {photo.content_sha256 for photo in manifest.photos}
    return needed
