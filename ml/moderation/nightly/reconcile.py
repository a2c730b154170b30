"""Fifth step: check the accounting identity. The run fails if it does not hold."""

from dataclasses import asdict, dataclass

import structlog
from sqlalchemy import Connection, Table

from ml.core.commerce_names import CommerceNames
from ml.core.errors import ReconciliationError, RunNotStarted
from ml.core.settings import Settings
from ml.storage import audit_runs, run_reports
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.write_back import WriteBack

log = structlog.get_logger()


@dataclass(frozen=True)
class RunAccounting:
    """The images that a run listed, and their outcomes by the rows that prove them."""

    listed: int  # counted while listing
    judged: int  # with a verdict of the run's model and policy
    quarantined: int  # with a quarantine row
    already_judged: int  # with such a verdict of an earlier run
    undecided: int = 0  # without an outcome
    unwritten: int = 0  # commerce rows that do not show their outcome

    @property
    def balanced(self) -> bool:
        """Whether no image was lost."""
        settled = self.judged + self.quarantined + self.already_judged
        return self.listed == settled and self.undecided == 0 and self.unwritten == 0

    def __str__(self) -> str:
        return (
            f"listed {self.listed:,} = judged {self.judged:,} + quarantined {self.quarantined:,} "
            f"+ already judged {self.already_judged:,}"
            f" (undecided {self.undecided:,}, unwritten {self.unwritten:,})"
        )


def reconcile(run_id: str, *, settings: Settings, connections: Connections) -> RunAccounting:
    """Check the accounting of a run, and set its state to `reconciled` or `failed`.

    Raises:
        ReconciliationError: it does not balance; the numbers are in the message.
        RunNotStarted: `preflight` or `discover` did not finish.
    """
    accounting = in_transaction(
        connections.engine, _store, run_id, connections.commerce, settings.commerce
    )
    if not accounting.balanced:
        raise ReconciliationError(
            f"run {run_id} does not balance: {accounting}. Look at the failed shards first; once "
            "they are cleared and have succeeded, clear write_back and what follows it"
        )
    log.info("reconciled", account=str(accounting))
    return accounting


def _store(
    connection: Connection, run_id: str, commerce: Table, names: CommerceNames
) -> RunAccounting:
    accounting = count_outcomes(connection, run_id, commerce, names)
    audit_runs.write_accounting(
        connection,
        run_id,
        judged=accounting.judged,
        quarantined=accounting.quarantined,
        already_judged=accounting.already_judged,
        state="reconciled" if accounting.balanced else "failed",
    )
    return accounting


def count_outcomes(
    connection: Connection, run_id: str, commerce: Table, names: CommerceNames
) -> RunAccounting:
    """The accounting of a run; for an expired run the stored one, since its rows may be deleted.

    Raises:
        RunNotStarted: there is no such run, or its objects were never listed.
    """
    row = audit_runs.row_of(connection, run_id)
    if row["listed"] is None:
        raise RunNotStarted(f"run {run_id} has no listing: its `discover` did not finish")
    if row["expired_at"] is not None:
        stored = ("listed", "judged", "quarantined", "already_judged")
        return RunAccounting(**{name: row[name] for name in stored})
    counts = asdict(run_reports.count_outcomes(connection, run_id))
    unwritten = WriteBack(run_id, commerce, names).unwritten(connection)
    return RunAccounting(row["listed"], **counts, unwritten=unwritten)
