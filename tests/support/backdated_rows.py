"""Purges for tests, and rows that are backdated."""

from datetime import UTC, datetime, timedelta

from ml.operations.retention import steps
from ml.operations.retention.purge import Plan, Purged
from ml.policy.operations import Retention
from tests.support.servers import Shop

LONG_AGO = 500  # days


def purge_plan(
    *, dry_run: bool = False, ahead: int = 0, run_id: str = "purge", **days: int
) -> Plan:
    """Return a plan for `ahead` days from now, since objects of a bucket cannot be backdated."""
    cutoff = datetime.now(UTC) + timedelta(days=ahead)
    return Plan(run_id=run_id, cutoff=cutoff, dry_run=dry_run, retention=Retention(**days))


def purge(shop: Shop, kind: str, plan: Plan) -> Purged:
    """Purge one kind of data of a shop as planned."""
    return steps.purge_kind(kind, plan, shop.connections, shop.settings)


def backdate_run(shop: Shop, run_id: str, days: int = LONG_AGO) -> None:
    """Backdate a nightly run, its verdicts and its quarantine rows."""
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


def dump_database(shop: Shop) -> dict[str, object]:
    """Return all rows of the schema and all objects of the model bucket, for comparison."""
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
