"""The nightly runs that a rollback repeats with the restored version."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ml.storage import audit_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import list_promotions

_MAX_RUN_ID = 250  # characters, in Airflow's database
_DIGEST = 16


def runs_to_rejudge(
    run_ids: Sequence[str], model_hash: str, *, rollback_id: str, connections: Connections
) -> list[dict[str, Any]]:
    """What to trigger so that the present champion judges the window of each run again.

    Raises:
        RunNotStarted: there is no such run.
    """

    def runs(connection: Connection) -> list[dict[str, Any]]:
        history = list_promotions(connection)
        switch = max((p.promotion_id for p in history if p.model_hash == model_hash), default=0)
        return [_run(connection, run_id, f"{rollback_id}__{switch}") for run_id in unique]

    unique = list(dict.fromkeys(run_ids))
    return in_transaction(connections.engine, runs)


def _run(connection: Connection, run_id: str, switch: str) -> dict[str, Any]:
    window = audit_runs.load(connection, run_id).window
    conf = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    return {"trigger_run_id": new_run_id(run_id, switch), "conf": conf}


def new_run_id(run_id: str, switch: str) -> str:
    """Id of the repeated run: the same in every retry of a rollback, another after each switch.

    `switch` is the rollback's run id and the id of its promotion; the end of a long id is hashed.
    """
    new = f"again__{switch}__{run_id}"
    if len(new) <= _MAX_RUN_ID:
        return new
    digest = hashlib.sha256(new.encode()).hexdigest()[:_DIGEST]
    return f"{new[: _MAX_RUN_ID - _DIGEST - 1]}-{digest}"
