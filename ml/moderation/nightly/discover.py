"""Second step: list the window's objects, join them with the commerce rows, cut shards."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ml.core.settings import Settings
from ml.core.types import Shard
from ml.core.window import Window
from ml.storage import audit_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.run_images import Discovery

log = structlog.get_logger()

LOG_EVERY_PAGES = 100  # of 1,000 objects


def discover(run_id: str, *, settings: Settings, connections: Connections) -> list[Shard]:
    """Write the ledger and return the shards of undecided images. Idempotent.

    One transaction: interrupted, it leaves nothing; repeated after its commit, it returns the
    stored shards. Memory holds one page of the listing.
    """
    return in_transaction(connections.engine, _discover, run_id, settings, connections)


def _discover(
    connection: Connection, run_id: str, settings: Settings, connections: Connections
) -> list[Shard]:
    if audit_runs.row_of(connection, run_id, lock=True)["listed"] is not None:
        return audit_runs.shards_of(connection, run_id)
    run = audit_runs.load(connection, run_id)
    lookback = timedelta(days=settings.lookback_days)
    discovery = Discovery(connection, run, commerce=connections.commerce, lookback=lookback)
    listed = prefixes(settings.photo_prefix, run.window, lookback, settings.timezone)
    pages = chain.from_iterable(map(connections.photos.list_pages, listed))
    for number, page in enumerate(pages, start=1):
        discovery.add_page(page)
        if number % LOG_EVERY_PAGES == 0:
            log.info("listing", pages=number, joined=discovery.listed)
    discovery.quarantine_without_row()
    discovery.quarantine_absent(settings.commerce.status_pending)
    audit_runs.cut_shards(connection, run_id, shard_size=settings.shard_size)
    without_key = discovery.count_rows_without_key(settings.commerce.status_pending)
    if without_key:
        log.warning("commerce rows without a usable object key are left out", rows=without_key)
    audit_runs.set_values(connection, run_id, listed=discovery.listed, rows_without_key=without_key)
    shards = audit_runs.shards_of(connection, run_id)
    log.info(
        "discovered", listed=discovery.listed, shards=len(shards), rows_without_key=without_key
    )
    return shards


def prefixes(template: str, window: Window, lookback: timedelta, timezone: str) -> Iterable[str]:
    """The key prefixes to list: the template itself, or one for each day (or hour, ...) it names.

    A template with strftime codes is filled for every hour from the start of the lookback days
    to the end of the window in `timezone`; each prefix is returned once.
    """
    if "%" not in template:
        return [template]
    zone = ZoneInfo(timezone)
    # On the hour: otherwise hourly steps could miss the hour of the window's end.
    first = (window.start - lookback).astimezone(zone).replace(minute=0, second=0, microsecond=0)
    hours = (window.end.astimezone(zone) - first) // timedelta(hours=1)
    moments = (first + timedelta(hours=hour) for hour in range(hours + 1))
    return dict.fromkeys(moment.strftime(template) for moment in moments)
