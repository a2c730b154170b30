"""The end of a retraining run: promote its candidate to champion, or reject it."""

import structlog
from sqlalchemy import Connection

from ml.core.errors import ModelError
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import ModelCard, check_classes
from ml.models.registry import PromotionRequest, switch_champion
from ml.policy.schema import Policy, load_policy
from ml.storage import model_versions, retrain_runs
from ml.storage.activity_log import model_target, record
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import ModelVersion
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()


def promote_candidate(
    run_id: str, *, by: str, reason: str, settings: Settings, connections: Connections
) -> str:
    """Make the run's candidate the champion and end the run, in one transaction.

    Idempotent, even if the champion has changed since. Returns the model hash.

    Raises:
        ModelError: the run ended otherwise or has no candidate, or the candidate failed a gate.
        PromotionConflict: the champion is no longer the one that the gates compared with.
        PolicyError: the candidate's classes are not those of the policy in force.
    """
    policy = load_policy(settings.policy_file)
    promoted = in_transaction(
        connections.engine, lambda c: _promote(c, run_id, by=by, reason=reason, policy=policy)
    )
    log.info("candidate promoted", run_id=run_id, model_hash=promoted)
    return promoted


def _promote(connection: Connection, run_id: str, *, by: str, reason: str, policy: Policy) -> str:
    run = retrain_runs.load(connection, run_id, lock=True)
    if run.candidate_hash is None:
        raise ModelError(f"run {run_id} has no candidate: its `calibrate` did not finish")
    if run.state == "promoted":
        return run.candidate_hash
    if run.state != "running":
        raise ModelError(f"run {run_id} has ended: {run.state}, {run.reason}")
    version = model_versions.load_version(connection, run.candidate_hash)
    if version is None:
        raise ModelError(f"no registered model version {run.candidate_hash}")
    _check_gates(run, version)
    check_classes(ModelCard.model_validate(version.card), policy)
    switch_champion(
        connection, PromotionRequest(run.candidate_hash, by, reason, expected=run.champion_hash)
    )
    retrain_runs.finish(connection, run_id, "promoted", reason)
    return run.candidate_hash


def _check_gates(run: RetrainRun, version: ModelVersion) -> None:
    if version.gate_decision is None:
        raise ModelError(f"the candidate of {run.run_id} has not been gated: run `gate` first")
    if version.gate_decision != "promote":
        raise ModelError(f"the gates hold the candidate of {run.run_id}: {_failed_gates(version)}")
    # Another run may have trained the same version and compared it with another champion.
    if version.compared_with != run.champion_hash:
        raise ModelError(
            f"the gates compared with {version.compared_with}, run {run.run_id} began with "
            f"{run.champion_hash}: clear its `evaluate` and what follows"
        )


def _failed_gates(version: ModelVersion) -> str:
    gates = version.gates or []
    return "; ".join(f"{g['name']} ({g['reason']})" for g in gates if not g["passed"])


def reject_candidate(run_id: str, *, by: str, reason: str, connections: Connections) -> None:
    """End the run without a promotion; the version stays registered. Idempotent.

    Raises:
        ModelError: the candidate was promoted before.
    """

    def reject(connection: Connection) -> None:
        run = retrain_runs.load(connection, run_id, lock=True)
        if run.state == "promoted":
            raise ModelError(f"run {run_id} was promoted: roll back instead (`rollback_model`)")
        if run.state == "running":
            detail = {"run_id": run_id, "reason": reason}
            target = model_target(run.candidate_hash or "")
            record(connection, actor=by, action="reject", target=target, **detail)
        retrain_runs.finish(connection, run_id, "rejected", reason)

    in_transaction(connections.engine, reject)
    log.info("candidate rejected", run_id=run_id, by=by, reason=reason)


def promote_manually(
    model_hash: str,
    *,
    by: str,
    reason: str,
    expected: str | None,
    settings: Settings,
    connections: Connections,
) -> None:
    """Promote a version that failed no gate, if the champion is still `expected`. Idempotent.

    It is loaded and checked first. A version that was never gated (no retraining run trained it)
    may be promoted: that is the purpose of this function.

    Raises:
        ModelError: no such version, it failed gates (named), or it cannot be loaded.
        PolicyError: the version's classes are not those of the policy in force.
        PromotionConflict: another promotion came first.
    """
    version = in_transaction(
        connections.engine, lambda c: model_versions.load_version(c, model_hash)
    )
    if version is None:
        raise ModelError(f"no registered model version {model_hash}")
    if version.gate_decision == "hold":
        raise ModelError(f"the gates hold {model_hash[:12]}: {_failed_gates(version)}")
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, load_policy(settings.policy_file))
    registry.promote(model_hash, engine=connections.engine, by=by, reason=reason, expected=expected)
    log.info("promoted manually", model_hash=model_hash, by=by)
