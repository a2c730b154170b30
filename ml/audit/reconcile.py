"""Fifth step: the accounting identity. The run fails, loudly, when it does not hold."""

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, func, text

from ml.connections import Connections
from ml.errors import ReconciliationError, RunNotBegun
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from ml.storage.schema import audit_run
from ml.storage.write_back import WriteBack

log = structlog.get_logger()


@dataclass(frozen=True)
class Account:
    """What a run listed, and what became of it by the rows that prove it.

    `listed` is counted while listing; `judged` and `already_judged` are images that have a verdict
    of the run's model and policy; `quarantined` are images that have a quarantine row; `undecided`
    have no outcome; `unwritten` are commerce rows that do not show theirs.
    """

    listed: int
    judged: int
    quarantined: int
    already_judged: int
    undecided: int
    unwritten: int

    @property
    def balanced(self) -> bool:
        """Whether nothing was lost."""
        settled = self.judged + self.quarantined + self.already_judged
        return self.listed == settled and self.undecided == 0 and self.unwritten == 0

    def __str__(self) -> str:
        return (
            f"listed {self.listed:,} = judged {self.judged:,} + quarantined {self.quarantined:,} "
            f"+ already judged {self.already_judged:,}"
            f" (undecided {self.undecided:,}, unwritten {self.unwritten:,})"
        )


_ACCOUNT = text(
    """
    select
        count(*) filter (where outcome = 'judged' and decision is not null),
        count(*) filter (where outcome = 'quarantined' and q.object_key is not null),
        count(*) filter (where outcome = 'already_judged' and decision is not null),
        count(*) filter (where outcome is null)
    from moderation.audit_result ar
    left join moderation.quarantine q on q.object_key = ar.object_key and q.etag = ar.etag
    where ar.run_id = :run_id
    """
)


def reconcile(run_id: str, *, settings: Settings, connections: Connections) -> Account:
    """Check the account of a run, and set its state to `reconciled` or `failed`.

    Raises:
        ReconciliationError: it does not balance; the numbers are in the message.
        RunNotBegun: `preflight` or `discover` did not finish.
    """
    account = in_transaction(connections.engine, lambda c: _settle(c, run_id, settings))
    if not account.balanced:
        raise ReconciliationError(
            f"run {run_id} does not balance: {account}. Look at the failed shards first; once they "
            "are cleared and have succeeded, clear write_back and what follows it"
        )
    log.info("reconciled", account=str(account))
    return account


def _settle(connection: Connection, run_id: str, settings: Settings) -> Account:
    account = take_account(connection, run_id, settings)
    audit_runs.set_values(
        connection,
        run_id,
        judged=account.judged,
        quarantined=account.quarantined,
        already_judged=account.already_judged,
        state="reconciled" if account.balanced else "failed",
        reconciled_at=func.coalesce(audit_run.c.reconciled_at, func.now()),
    )
    return account


def take_account(connection: Connection, run_id: str, settings: Settings) -> Account:
    """Count what became of a run's images.

    Of a run older than the policy keeps its rows, the account as it was proved then.

    Raises:
        RunNotBegun: it was never begun, or its objects were never listed.
    """
    row = audit_runs.row_of(connection, run_id)
    listed = row["listed"]
    if listed is None:
        raise RunNotBegun(f"run {run_id} has no listing: its `discover` did not finish")
    if row["expired_at"] is not None:
        return Account(listed, row["judged"], row["quarantined"], row["already_judged"], 0, 0)
    found = connection.execute(_ACCOUNT, {"run_id": run_id}).one()
    judged, quarantined, already, undecided = found
    unwritten = WriteBack(run_id, settings.commerce).unwritten(connection)
    return Account(listed, judged, quarantined, already, undecided, unwritten)
