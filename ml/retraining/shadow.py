"""A night in the shadow: the candidate judges beside the champion, and nothing follows from it."""

from typing import Any

import structlog
from sqlalchemy import Connection

from ml.connections import Connections
from ml.errors import ModelError
from ml.settings import Settings
from ml.storage import audit_runs, retrain_runs
from ml.storage import shadow as table
from ml.storage.database import in_transaction

log = structlog.get_logger()

SAMPLES = 20  # object keys a change: enough for a person to look at


def request_shadow(run_id: str, *, settings: Settings, connections: Connections) -> None:
    """Have the nights that begin from now on judge with the run's candidate, too.

    It stays so until `withdraw_shadow`. Again is no change.

    Raises:
        ModelError: the run has no candidate, or has ended.
    """
    del settings  # every step is called alike
    in_transaction(connections.engine, lambda c: _request(c, run_id))


def _request(connection: Connection, run_id: str) -> None:
    run = retrain_runs.load(connection, run_id)
    if run.candidate_hash is None or run.state != "running":
        raise ModelError(f"run {run_id} has no candidate to wait for: it is {run.state}")
    table.request(connection, run.candidate_hash)
    log.info("shadow requested", run_id=run_id, model_hash=run.candidate_hash)


def withdraw_shadow(run_id: str, *, settings: Settings, connections: Connections) -> None:
    """Take the run's candidate out of the shadow; a night that has begun keeps it."""
    del settings
    in_transaction(connections.engine, lambda c: _withdraw(c, run_id))


def _withdraw(connection: Connection, run_id: str) -> None:
    candidate = retrain_runs.load(connection, run_id).candidate_hash
    if candidate is not None:
        table.withdraw(connection, candidate)


def shadow_night(run_id: str, *, settings: Settings, connections: Connections) -> str | None:
    """The first reconciled audit run that the run's candidate judged as shadow; None so far."""
    del settings
    return in_transaction(connections.engine, lambda c: _night(c, run_id))


def _night(connection: Connection, run_id: str) -> str | None:
    candidate = retrain_runs.load(connection, run_id).candidate_hash
    return None if candidate is None else table.night_of(connection, candidate)


def shadow_difference(
    audit_run_id: str, *, settings: Settings, connections: Connections
) -> dict[str, Any] | None:
    """What the shadow of a night would have decided otherwise; None where it had no shadow.

    Returns:
        `photos` that both judged, `same` decisions, `changes` as {"pass->review": photos, ...} and
        `samples` as {"pass->review": up to 20 object keys, ...}, the most frequent change first.

    Raises:
        RunNotBegun: there is no such audit run.
    """
    del settings
    return in_transaction(connections.engine, lambda c: _difference(c, audit_run_id))


def _difference(connection: Connection, audit_run_id: str) -> dict[str, Any] | None:
    if audit_runs.load(connection, audit_run_id).shadow_hash is None:
        return None
    pairs = table.compared(connection, audit_run_id, samples=SAMPLES)
    changed = [(f"{was}->{now}", count, keys) for was, now, count, keys in pairs if was != now]
    return {
        "photos": sum(count for _, _, count, _ in pairs),
        "same": sum(count for was, now, count, _ in pairs if was == now),
        "changes": {way: count for way, count, _ in changed},
        "samples": {way: keys for way, _, keys in changed},
    }
