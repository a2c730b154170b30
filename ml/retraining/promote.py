"""The end of a monthly run: its candidate becomes the champion, or is rejected."""

from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, select

from ml.audit.preflight import check_classes
from ml.connections import Connections
from ml.errors import ModelError
from ml.model.card import ModelCard
from ml.model.registry import Switch, switch_champion
from ml.policy.policy import Policy, load_policy
from ml.review.activity import model_target, record
from ml.settings import Settings
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import model_version, retrain_run

log = structlog.get_logger()


def promote_candidate(
    run_id: str, *, by: str, reason: str, settings: Settings, connections: Connections
) -> str:
    """Make the run's candidate the champion and end the run, in one transaction.

    Again is no change, also when the champion has been switched since. Returns the model hash.

    Raises:
        ModelError: the run has ended otherwise or has no candidate, or a gate holds it.
        ChampionChanged: the champion is no longer the one that the gates compared with.
        PolicyError: the policy in force names other classes than the candidate.
    """
    policy = load_policy(settings.policy_file)
    promoted = in_transaction(
        connections.engine, lambda c: _promote(c, run_id, by=by, reason=reason, policy=policy)
    )
    log.info("candidate promoted", run_id=run_id, model_hash=promoted)
    return promoted


def _promote(connection: Connection, run_id: str, *, by: str, reason: str, policy: Policy) -> str:
    run = _locked(connection, run_id)
    if run.candidate_hash is None:
        raise ModelError(f"run {run_id} has no candidate: its `calibrate` did not finish")
    if run.state == "promoted":
        return run.candidate_hash
    if run.state != "running":
        raise ModelError(f"run {run_id} has ended: {run.state}, {run.reason}")
    version = _version(connection, run.candidate_hash)
    _check_gates(run, version)
    check_classes(ModelCard.model_validate(version["card"]), policy)
    switch_champion(connection, Switch(run.candidate_hash, by, reason, expected=run.champion_hash))
    retrain_runs.finish(connection, run_id, "promoted", reason)
    return run.candidate_hash


def _locked(connection: Connection, run_id: str) -> RetrainRun:
    """The run, which no one else ends until the transaction's end."""
    lock = select(retrain_run.c.run_id).where(retrain_run.c.run_id == run_id).with_for_update()
    connection.execute(lock)
    return retrain_runs.load(connection, run_id)


def _version(connection: Connection, model_hash: str) -> RowMapping:
    query = select(model_version).where(model_version.c.model_hash == model_hash)
    return connection.execute(query).mappings().one()


def _check_gates(run: RetrainRun, version: RowMapping) -> None:
    if version["gate_decision"] is None:
        raise ModelError(f"the candidate of {run.run_id} has not been gated: run `gate` first")
    if version["gate_decision"] != "promote":
        raise ModelError(f"the gates hold the candidate of {run.run_id}: {_held_by(version)}")
    # Another run may have come to the same version and gated it beside another champion.
    if version["compared_with"] != run.champion_hash:
        raise ModelError(
            f"the gates compared with {version['compared_with']}, run {run.run_id} began with "
            f"{run.champion_hash}: clear its `evaluate` and what follows"
        )


def _held_by(version: RowMapping) -> str:
    gates: list[dict[str, Any]] = version["gates"] or []
    return "; ".join(f"{g['name']} ({g['reason']})" for g in gates if not g["passed"])


def reject_candidate(
    run_id: str, *, by: str, reason: str, settings: Settings, connections: Connections
) -> None:
    """End the run without a promotion; the version stays registered. Again is no change.

    Raises:
        ModelError: the candidate was promoted before.
    """
    del settings  # every step is called alike
    in_transaction(connections.engine, lambda c: _reject(c, run_id, by, reason))
    log.info("candidate rejected", run_id=run_id, by=by, reason=reason)


def _reject(connection: Connection, run_id: str, by: str, reason: str) -> None:
    run = _locked(connection, run_id)
    if run.state == "promoted":
        raise ModelError(f"run {run_id} was promoted: roll back instead (`rollback_model`)")
    if run.state == "running":
        target = model_target(run.candidate_hash or "")
        record(connection, who=by, what="reject", target=target, run_id=run_id, reason=reason)
    retrain_runs.finish(connection, run_id, "rejected", reason)
