"""Hashes of outside lists: `moderation.blocklist_hash`."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, text

from ml.core.concurrency import batched
from ml.core.types import ListedHash
from ml.storage.database import in_transaction
from ml.storage.rows import load_rows
from ml.storage.schema import blocklist_hash

DIGITS = {"pdq": 64, "md5": 32, "sha256": 64}  # hexadecimal, of each kind of hash
_PAGE = 20_000
_Key = tuple[str, str, str]
_BEFORE_ALL: _Key = ("", "", "")

_INSERT = text(
    """
    insert into moderation.blocklist_hash (kind, hash, source, added_by)
    select kind, hash, :source, :added_by
    from unnest(cast(:kinds as text[]), cast(:hashes as text[])) as listed (kind, hash)
    on conflict do nothing
    """
)

_NEXT = text(
    """
    select kind, hash, source,
        added_at < coalesce(cast(:before as timestamptz), 'infinity') as counts
    from moderation.blocklist_hash
    where (kind, hash, source) > (:kind, :hash, :source)
    order by kind, hash, source limit :limit
    """
)

_SOURCES = text(
    """
    select source, count(*) filter (where kind = 'pdq') as pdq,
        count(*) filter (where kind = 'md5') as md5,
        count(*) filter (where kind = 'sha256') as sha256,
        max(added_at) as added_at
    from moderation.blocklist_hash group by source order by source
    """
)


@dataclass(frozen=True)
class HashSource:
    """A list, with its hashes of each kind, and when the latest was added."""

    source: str
    pdq: int
    md5: int
    sha256: int
    added_at: datetime


def add_hashes(
    connection: Connection, hashes: Iterable[tuple[str, str]], *, source: str, added_by: str
) -> int:
    """Add hashes (kind, lower-case hexadecimal) of a list; returns how many are new. Idempotent."""
    added = 0
    for page in batched(sorted(set(hashes)), _PAGE):
        kinds, values = zip(*page, strict=True)
        row = {"source": source, "added_by": added_by}
        added += connection.execute(
            _INSERT, row | {"kinds": list(kinds), "hashes": list(values)}
        ).rowcount
    return added


def list_sources(connection: Connection) -> list[HashSource]:
    """All lists, by name."""
    return load_rows(connection, _SOURCES, HashSource)


def remove_source(connection: Connection, source: str) -> int:
    """Remove the hashes of a list; returns how many there were."""
    removed = delete(blocklist_hash).where(blocklist_hash.c.source == source)
    return connection.execute(removed).rowcount


def listed_hashes(engine: Engine, *, before: datetime | None) -> Iterator[ListedHash]:
    """The hashes that were added before a moment, read in pages; None: all."""
    after: _Key | None = _BEFORE_ALL
    while after is not None:
        after, page = in_transaction(engine, _load_page, before, after)
        yield from page


def _load_page(
    connection: Connection, before: datetime | None, after: _Key
) -> tuple[_Key | None, list[ListedHash]]:
    kind, value, source = after
    values = {"before": before, "kind": kind, "hash": value, "source": source, "limit": _PAGE}
    rows = connection.execute(_NEXT, values).all()
    last = (rows[-1].kind, rows[-1].hash, rows[-1].source) if len(rows) == _PAGE else None
    # Names are few, hashes may be a million: each name is one string.
    found = [row for row in rows if row.counts]
    return last, [ListedHash(sys.intern(r.kind), r.hash, sys.intern(r.source)) for r in found]
