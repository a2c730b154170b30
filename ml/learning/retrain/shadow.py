"""Shadow run: the candidate also scores the photos of a nightly run, without any effect."""

from typing import Any

import structlog
from sqlalchemy import Connection

from ml.core.errors import ModelError
from ml.storage import audit_runs, retrain_runs, shadow_verdicts
from ml.storage.connections import Connections
from ml.storage.database import in_transaction

log = structlog.get_logger()

SAMPLES = 20  # object keys per change, for an approver to look at


def request_shadow(run_id: str, *, connections: Connections) -> None:
    """Make the run's candidate the shadow of the nightly runs that start from now on. Idempotent.

    It stays so until `withdraw_shadow`.

    Raises:
        ModelError: the run has no candidate, or has ended.
    """

    def request(connection: Connection) -> None:
        run = retrain_runs.load(connection, run_id)
        if run.candidate_hash is None or run.state != "running":
            raise ModelError(f"run {run_id} has no candidate to wait for: it is {run.state}")
        shadow_verdicts.request(connection, run.candidate_hash)
        log.info("shadow requested", run_id=run_id, model_hash=run.candidate_hash)

    in_transaction(connections.engine, request)


def withdraw_shadow(run_id: str, *, connections: Connections) -> None:
    """End the shadow of the run's candidate; a nightly run in progress keeps it."""

    def withdraw(connection: Connection) -> None:
        candidate = retrain_runs.load(connection, run_id).candidate_hash
        if candidate is not None:
            shadow_verdicts.withdraw(connection, candidate)

    in_transaction(connections.engine, withdraw)


def shadow_run(run_id: str, *, connections: Connections) -> str | None:
    """The first reconciled nightly run with the run's candidate as its shadow; None so far."""

    def find(connection: Connection) -> str | None:
        candidate = retrain_runs.load(connection, run_id).candidate_hash
        return None if candidate is None else shadow_verdicts.first_run_of(connection, candidate)

    return in_transaction(connections.engine, find)


def shadow_difference(audit_run_id: str, *, connections: Connections) -> dict[str, Any] | None:
    """What the shadow of a nightly run would have decided differently; None without a shadow.

    Returns:
        `photos` that both scored, `same` decisions, `changes` as {"pass->review": photos, ...} and
        `samples` as {"pass->review": up to 20 object keys, ...}, the most frequent change first.

    Raises:
        RunNotStarted: there is no such nightly run.
    """
    return in_transaction(connections.engine, lambda c: _difference(c, audit_run_id))


def _difference(connection: Connection, audit_run_id: str) -> dict[str, Any] | None:
    if audit_runs.load(connection, audit_run_id).shadow_hash is None:
        return None
    pairs = shadow_verdicts.compare_decisions(connection, audit_run_id, samples=SAMPLES)
    changed = [(f"{was}->{now}", count, keys) for was, now, count, keys in pairs if was != now]
    photos = sum(count for _, _, count, _ in pairs)
    return {
        "photos": photos,
        "same": photos - sum(count for _, count, _ in changed),
        "changes": {change: count for change, count, _ in changed},
        "samples": {change: keys for change, _, keys in changed},
    }
