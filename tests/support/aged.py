"""Plans of `purge_expired` for tests, and rows made older than they are."""

from datetime import UTC, datetime, timedelta

from ml.policy.retention import Retention
from ml.retention.plan import Plan
from tests.support.servers import Shop

LONG_AGO = 500  # days


def plan(*, dry_run: bool = False, ahead: int = 0, run_id: str = "purge", **days: int) -> Plan:
    """A plan whose cut-off is `ahead` days from now: objects of a bucket cannot be made older."""
    cut_off = datetime.now(UTC) + timedelta(days=ahead)
    return Plan(run_id, cut_off, dry_run, Retention(**days))


def make_old(shop: Shop, run_id: str, days: int = LONG_AGO) -> None:
    """A night, its verdicts and its quarantine rows, as if they were so many days older."""
    shop.execute(
        "update moderation.audit_run set window_start = window_start - cast(:age as interval), "
        "window_end = window_end - cast(:age as interval), "
        "started_at = started_at - cast(:age as interval) where run_id = :run",
        age=f"{days} days",
        run=run_id,
    )
    for table, column in (("verdict", "judged_at"), ("quarantine", "quarantined_at")):
        shop.execute(
            f"update moderation.{table} set {column} = {column} - cast(:age as interval) "  # noqa: S608 - names from the line above
            "where run_id = :run",
            age=f"{days} days",
            run=run_id,
        )


def everything(shop: Shop) -> dict[str, object]:
    """All rows of our schema and all objects of the model bucket, to be compared."""
    tables = shop.rows(
        "select table_name from information_schema.tables where table_schema = 'moderation' "
        "and table_type = 'BASE TABLE'"
    )
    found: dict[str, object] = {
        str(name): shop.rows(f"select t::text from moderation.{name} t order by 1")  # noqa: S608 - names from the catalogue
        for (name,) in tables
    }
    pages = shop.connections.models.list_pages("")
    found["bucket"] = [(o.key, o.etag, o.modified_at) for page in pages for o in page]
    return found
