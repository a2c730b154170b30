"""Fourth step: write verdicts to the commerce rows, and open review tasks."""

import structlog
from sqlalchemy import Connection

from ml.core.settings import Settings
from ml.moderation.nightly.sampled_tasks import open_sampled_tasks
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.review_tasks import open_tasks
from ml.storage.write_back import KeyRange, WriteBack

log = structlog.get_logger()


def write_back(run_id: str, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Write what is settled so far, in ranges of keys; return the changes. Idempotent.

    It also runs when some shards failed: the photos that were scored need not wait for the rest.
    Raises `RunNotStarted` if an earlier step did not finish.
    """
    engine = connections.engine
    run = in_transaction(engine, audit_runs.load, run_id)
    writer = WriteBack(run_id, connections.commerce, settings.commerce)
    done = {"rows_changed": 0, "tasks_opened": 0}
    for keys in in_transaction(engine, writer.ranges):
        rows, tasks = in_transaction(engine, _write, run, writer, keys)
        # By itself: no commerce row is locked while photos are compared. Review tasks are open: a
        # photo that has one is not drawn.
        tasks += in_transaction(engine, open_sampled_tasks, run, keys)
        done["rows_changed"] += rows
        done["tasks_opened"] += tasks
        log.info("written back", **done)
    return done


def _write(
    connection: Connection, run: AuditRun, writer: WriteBack, keys: KeyRange
) -> tuple[int, int]:
    return writer.write(connection, keys), open_tasks(connection, run, keys)
