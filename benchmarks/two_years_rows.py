"""Fill a shop with years of data: a run a day, its photos, review tasks, labels and golden sets.

Photos are numbered from 1, the oldest first, and all else follows from the number. Contents are
hashes of it: distributed like real ones, and the same each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, Engine, text

from benchmarks.two_years_sql import FILL
from ml.storage.s3_responses import ListedObject

STATISTICS = ("stale", "fresh", "missing")
DAY = timedelta(days=1)
PREFIX = "reviews/%Y/%m/%d/"
RUNS_PER_MODEL = 30
GOLDEN_PER_MODEL = 400  # photos of a golden set
SHADOW_RUNS = 5  # the latest runs had a shadow model


@dataclass(frozen=True)
class OldShop:
    """The runs of the days before `midnight` (UTC), each with as many photos.

    Every `task_every`-th photo was reviewed and has a label, but for the last day's: they wait.
    """

    runs: int
    photos_per_run: int
    midnight: datetime
    task_every: int = 16

    @property
    def photos(self) -> int:
        """All old photos."""
        return self.runs * self.photos_per_run

    @property
    def step(self) -> timedelta:
        """From one upload to the next."""
        return timedelta(microseconds=DAY // timedelta(microseconds=1) // self.photos_per_run)

    def list_day(self, day: datetime) -> Iterator[ListedObject]:
        """The objects of one day (its start, UTC), in key order."""
        run = self.runs - (self.midnight - day) // DAY
        if not 0 <= run < self.runs:
            return
        for place in range(self.photos_per_run):
            number = run * self.photos_per_run + place + 1
            key = f"{day.strftime(PREFIX)}{number:09d}.jpg"
            etag = _content(number)[:32]
            yield ListedObject(key, etag, 250_000, day + place * self.step)

    def reviewed(self) -> Iterator[str]:
        """The contents that have a label."""
        return map(_content, range(self.task_every, self.photos, self.task_every))


def _content(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def start_of_today() -> datetime:
    """Midnight, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def prepare_old_shop(engine: Engine, old: OldShop, statistics: str) -> None:
    """Fill the shop unless it is full, and make its statistics stale, fresh or missing."""
    with engine.begin() as connection:
        filled = connection.execute(_COUNT_RUNS).scalar_one()
        if statistics == "stale":  # those of the first tenth
            fill_old_shop(connection, old, first_run=filled + 1, last_run=old.runs // 10)
            connection.execute(text("analyze"))
            filled = max(filled, old.runs // 10)
        if filled < old.runs:
            fill_old_shop(connection, old, first_run=filled + 1, last_run=old.runs)
        if statistics == "missing":
            connection.execute(_CLEAR_STATISTICS)
        if statistics == "fresh":
            connection.execute(text("analyze"))


_COUNT_RUNS = text("select count(*) from moderation.audit_run where run_id like 'run-%'")
_CLEAR_STATISTICS = text(
    """
    with tables as (
        select n.nspname, c.relname, c.oid
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('moderation', 'commerce') and c.relkind = 'r'
    ), cleared as (select pg_clear_relation_stats(nspname, relname) from tables)
    select pg_clear_attribute_stats(nspname, relname, attname, false)
    from tables join pg_attribute on attrelid = oid, (select count(*) from cleared) as first
    where attnum > 0 and not attisdropped
    """
)


def fill_old_shop(connection: Connection, old: OldShop, *, first_run: int, last_run: int) -> None:
    """Add the rows of runs `first_run` to `last_run`, counted from 1.

    The role must be a superuser: triggers would look up the same model version for each photo.
    Indexes are built after the inserts, which is faster.
    """
    connection.execute(text("set local session_replication_role = replica"))
    connection.execute(text("set local maintenance_work_mem = '512MB'"))
    indexes = connection.execute(_INDEXES).all()
    for name, _ in indexes:
        connection.execute(text(f"drop index {name}"))
    values = {
        "start": old.midnight - old.runs * DAY,
        "step": old.step,
        "runs": old.runs,
        "per_run": old.photos_per_run,
        "every": old.task_every,
        "first_run": first_run,
        "last_run": last_run,
        "runs_per_model": RUNS_PER_MODEL,
        "golden": GOLDEN_PER_MODEL,
        "shadow_runs": SHADOW_RUNS,
    }
    for statement in FILL:
        connection.execute(text(statement), values)
    for _, definition in indexes:
        connection.execute(text(definition.replace(":", r"\:")))


_INDEXES = text(
    """
    select cast(cast(indexrelid as regclass) as text), pg_get_indexdef(indexrelid) from pg_index
    where cast(cast(indrelid as regclass) as text) like any (array['moderation.%', 'commerce.%'])
        and not exists (select from pg_constraint where conindid = indexrelid)
    """
)
