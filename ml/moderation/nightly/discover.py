"""Second step: list the window's objects, join them with the commerce rows, cut shards."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TypeVar
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
T = TypeVar("T")

LOG_EVERY_PAGES = 100  # of 1,000 objects


def discover(run_id: str, *, settings: Settings, connections: Connections) -> list[Shard]:
    """Write the ledger and return the shards of undecided images. Idempotent.

    Each page of the listing, and of the pending commerce rows, is one transaction. Killed and
    repeated, the step lists again and passes over what is written; repeated after its end, it
    returns the stored shards. Memory holds one page.
    """
    engine = connections.engine
    run = in_transaction(engine, audit_runs.load, run_id)
    lookback = timedelta(days=settings.lookback_days)
    discovery = Discovery(run, commerce=connections.commerce, lookback=lookback)
    if not in_transaction(engine, audit_runs.is_listed, run_id):
        listed = prefixes(settings.photo_prefix, run.window, lookback, settings.timezone)
        _add_objects(discovery, run_id, listed, connections)
        _quarantine_absent(discovery, run_id, settings, connections)
        pending = settings.commerce.status_pending
        finish = partial(discovery.finish, pending=pending, shard_size=settings.shard_size)
        without_key = in_transaction(engine, _unless_listed, run_id, finish)
        if without_key:
            log.warning("commerce rows without a usable object key are left out", rows=without_key)
    shards = in_transaction(engine, audit_runs.shards_of, run_id)
    log.info("discovered", shards=len(shards))
    return shards


def _add_objects(
    discovery: Discovery, run_id: str, listed: Iterable[str], connections: Connections
) -> None:
    joined = 0
    pages = chain.from_iterable(map(connections.photos.list_pages, listed))
    for number, page in enumerate(pages, start=1):
        add = partial(discovery.add_page, page=page)
        joined += in_transaction(connections.engine, _unless_listed, run_id, add) or 0
        if number % LOG_EVERY_PAGES == 0:
            log.info("listing", pages=number, joined=joined)


def _quarantine_absent(
    discovery: Discovery, run_id: str, settings: Settings, connections: Connections
) -> None:
    pending = settings.commerce.status_pending

    def read(connection: Connection) -> None:
        for page in discovery.pending_pages(connection, pending):
            quarantine = partial(discovery.quarantine_absent, page=page)
            in_transaction(connections.engine, _unless_listed, run_id, quarantine)

    in_transaction(connections.engine, read)


def _unless_listed(
    connection: Connection, run_id: str, work: Callable[[Connection], T]
) -> T | None:
    """Do nothing once another attempt has finished: its shards are cut and its images counted."""
    if audit_runs.is_listed(connection, run_id, lock=True):
        return None
    return work(connection)


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
