"""Second step: list the window's objects, join them with the commerce rows, cut shards."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ml.audit.window import Window
from ml.connections import Connections
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun, Shard
from ml.storage.database import in_transaction
from ml.storage.discovery import Discovery

log = structlog.get_logger()

LOG_EVERY_PAGES = 100  # of 1,000 objects


def discover(run_id: str, *, settings: Settings, connections: Connections) -> list[Shard]:
    """Write the ledger and return the shards of what is to be judged.

    One transaction: killed, it leaves nothing; run again after it committed, it returns the shards
    it cut then. Memory holds one page of the listing.

    Raises:
        StorageError: database or bucket.
    """
    return in_transaction(connections.engine, lambda c: _discover(c, run_id, settings, connections))


def _discover(
    connection: Connection, run_id: str, settings: Settings, connections: Connections
) -> list[Shard]:
    if audit_runs.row_of(connection, run_id, lock=True)["listed"] is not None:
        return audit_runs.shards_of(connection, run_id)
    run = audit_runs.load(connection, run_id)
    lookback = timedelta(days=settings.lookback_days)
    found = Discovery(connection, run, commerce=connections.commerce, lookback=lookback)
    _list_all(found, run, settings, connections)
    found.quarantine_without_row()
    found.quarantine_absent(settings.commerce.status_pending)
    audit_runs.cut_shards(connection, run_id, shard_images=settings.shard_images)
    audit_runs.set_values(connection, run_id, listed=found.listed)
    shards = audit_runs.shards_of(connection, run_id)
    log.info("discovered", listed=found.listed, shards=len(shards))
    return shards


def _list_all(
    found: Discovery, run: AuditRun, settings: Settings, connections: Connections
) -> None:
    pages = 0
    for prefix in prefixes(
        settings.photo_prefix,
        run.window,
        lookback=timedelta(days=settings.lookback_days),
        timezone=settings.timezone,
    ):
        for page in connections.photos.list_pages(prefix):
            found.add_page(page)
            pages += 1
            if pages % LOG_EVERY_PAGES == 0:
                log.info("listing", pages=pages, joined=found.listed)


def prefixes(template: str, window: Window, *, lookback: timedelta, timezone: str) -> Iterator[str]:
    """The key prefixes to list: the template itself, or one for each day (or hour, ...) it names.

    A template with strftime codes is filled for every hour from the look-back's start to the
    window's end in `timezone`; each prefix comes once.
    """
    if "%" not in template:
        yield template
        return
    zone = ZoneInfo(timezone)
    first: datetime = (window.start - lookback).astimezone(zone)
    # On the hour, or steps of an hour could stop short of the end's own hour.
    moment = first.replace(minute=0, second=0, microsecond=0)
    end = window.end.astimezone(zone)
    last = None
    while moment <= end:
        prefix = moment.strftime(template)
        if prefix != last:
            yield prefix
        last = prefix
        moment += timedelta(hours=1)
