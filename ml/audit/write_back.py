"""Fourth step: verdicts to the commerce rows, review tasks for what a person must see."""

import structlog
from sqlalchemy import Connection

from ml.connections import Connections
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.review_queue import open_audit_tasks, open_tasks
from ml.storage.write_back import KeyRange, WriteBack

log = structlog.get_logger()

IMAGES_PER_COMMIT = 5000


def write_back(run_id: str, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Write what is settled so far, in ranges of keys; running again changes nothing.

    It also writes when some shards failed: the photos that were judged need not wait for the rest.

    Returns:
        Commerce rows changed and review tasks opened by this attempt.

    Raises:
        RunNotBegun: an earlier step did not finish.
    """
    engine = connections.engine
    run = in_transaction(engine, lambda c: audit_runs.load(c, run_id))
    writer = WriteBack(run_id, settings.commerce)
    ranges = in_transaction(engine, lambda c: writer.ranges(c, size=IMAGES_PER_COMMIT))
    done = {"rows_changed": 0, "tasks_opened": 0}
    for keys in ranges:
        rows, tasks = in_transaction(engine, lambda c, k=keys: _write(c, run, writer, k))  # type: ignore[misc]  # mypy cannot type a lambda's default
        done["rows_changed"] += rows
        done["tasks_opened"] += tasks
        log.info("written back", **done)
    return done


def _write(
    connection: Connection, run: AuditRun, writer: WriteBack, keys: KeyRange
) -> tuple[int, int]:
    rows = writer.write(connection, keys)
    # A photo for review has its task by now: the random audit finds it taken.
    tasks = open_tasks(connection, run, keys)
    return rows, tasks + open_audit_tasks(connection, run, keys)
