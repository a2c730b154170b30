"""Promote or reject the candidate of a retraining run; promote or roll back manually."""

from collections.abc import Iterable
from types import EllipsisType

import structlog
from sqlalchemy import Connection

from ml.core.errors import ModelError, PromotionConflict
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import check_classes, parse_card
from ml.models.load_check import check_version
from ml.models.registry import PromotionRequest, champion_hash, switch_champion
from ml.policy.schema import Policy, load_policy
from ml.storage import model_versions, retrain_runs
from ml.storage.activity_log import model_target, record
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import ModelVersion, Promotion, list_promotions
from ml.storage.policy_in_force import policy_in_force
from ml.storage.retrain_runs import RetrainRun

log = structlog.get_logger()

PREVIOUS = "previous"


def promote_candidate(
    run_id: str, *, by: str, reason: str, settings: Settings, connections: Connections
) -> str:
    """Make the run's candidate the champion and end the run, in one transaction.

    Idempotent, even if the champion has changed since. Returns the model hash.

    Raises:
        ModelError: the run ended otherwise or has no candidate, or the candidate failed a gate or
            gives no usable scores.
        PromotionConflict: the champion is no longer the one that the gates compared with.
        PolicyError: the candidate's classes are not those of the policy in force.
    """
    policy, engine = load_policy(settings.policy_file), connections.engine
    run = in_transaction(engine, lambda c: _load_promotable(c, run_id, policy))
    if run.state == "running":
        _check_version(run.candidate_hash or "", policy, connections)
    promoted = in_transaction(
        engine, lambda c: _promote(c, run_id, by=by, reason=reason, policy=policy)
    )
    log.info("candidate promoted", run_id=run_id, model_hash=promoted)
    return promoted


def _promote(connection: Connection, run_id: str, *, by: str, reason: str, policy: Policy) -> str:
    run = _load_promotable(connection, run_id, policy, lock=True)
    candidate = run.candidate_hash or ""
    if run.state == "running":
        switch_champion(
            connection, PromotionRequest(candidate, by, reason, expected=run.champion_hash)
        )
        retrain_runs.finish(connection, run_id, "promoted", reason)
    return candidate


def _load_promotable(
    connection: Connection, run_id: str, policy: Policy, *, lock: bool = False
) -> RetrainRun:
    """The run, if its candidate may be promoted or was promoted."""
    run = retrain_runs.load(connection, run_id, lock=lock)
    if run.candidate_hash is None:
        raise ModelError(f"run {run_id} has no candidate: its `calibrate` did not finish")
    if run.state == "promoted":
        return run
    if run.state != "running":
        raise ModelError(f"run {run_id} has ended: {run.state}, {run.reason}")
    version = model_versions.load_version(connection, run.candidate_hash)
    if version is None:
        raise ModelError(f"no registered model version {run.candidate_hash}")
    _check_gates(run, version)
    check_classes(parse_card(version.card, source=f"version {run.candidate_hash}"), policy)
    return run


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


def _check_version(model_hash: str, policy: Policy, connections: Connections) -> None:
    card = check_version(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(card, policy)


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
        ModelError: no such version, it failed gates (named), or it gives no usable scores.
        PolicyError: the version's classes are not those of the policy in force.
        PromotionConflict: another promotion came first.
    """
    engine = connections.engine
    version = in_transaction(engine, lambda c: model_versions.load_version(c, model_hash))
    if version is None:
        raise ModelError(f"no registered model version {model_hash}")
    if version.gate_decision == "hold":
        raise ModelError(f"the gates hold {model_hash[:12]}: {_failed_gates(version)}")
    _check_version(model_hash, load_policy(settings.policy_file), connections)
    registry.promote(model_hash, engine=engine, by=by, reason=reason, expected=expected)
    log.info("promoted manually", model_hash=model_hash, by=by)


def rollback(
    to: str,
    *,
    by: str,
    reason: str,
    settings: Settings,
    connections: Connections,
    expected: str | EllipsisType = ...,
) -> str:
    """Make an earlier champion the champion again; returns its hash.

    `to` is "previous", a model hash, or the start of one (8 digits or more); `expected` the
    champion that the caller saw, `...` accepts any. The version is loaded and checked first. With a
    hash the call is idempotent; each "previous" goes back one version more. Needs no valid
    policy file: the last valid policy names the classes.

    Raises:
        ModelError: no such version, it was never champion, or it gives no usable scores.
        PolicyError: the version's classes are not those of the policy in force.
        PromotionConflict: another promotion came first, or after "previous" was resolved.
    """

    def find_target(connection: Connection) -> tuple[str, str]:
        champion = champion_hash(connection)
        if to == PREVIOUS and expected not in (..., champion):
            raise PromotionConflict(
                f'"previous" was requested for {str(expected)[:12]}, but the champion is '
                f"{champion[:12]} now"
            )
        return champion, _resolve(connection, to)

    champion, target = in_transaction(connections.engine, find_target)
    policy = in_transaction(connections.engine, policy_in_force, settings).require_classes()
    _check_version(target, policy, connections)
    registry.promote(
        target,
        engine=connections.engine,
        by=by,
        reason=reason,
        expected=champion if to == PREVIOUS else expected,
        kind="rollback",
    )
    log.info("rolled back", model_hash=target, was=champion)
    return target


def resolve(to: str, *, connections: Connections) -> str:
    """The hash that `rollback` would return to; raises the same ModelError."""
    return in_transaction(connections.engine, lambda c: _resolve(c, to))


def _resolve(connection: Connection, to: str) -> str:
    history = list_promotions(connection)
    if to == PREVIOUS:
        return _previous_champion(history)
    try:
        target = registry.find_version(connection, to)
    except ModelError as error:
        raise ModelError(f"{error}; or give {PREVIOUS!r}") from error
    if target not in {promotion.model_hash for promotion in history}:
        raise ModelError(
            f"{target} was never champion, so there is no way back to it; "
            f"`python -m ml models promote {target} --reason ...` makes it one"
        )
    return target


def _previous_champion(history: Iterable[Promotion]) -> str:
    """Promotions push versions on a stack; a rollback pops all above the one it returns to."""
    stack: list[str] = []
    for promotion in history:
        if promotion.kind == "rollback" and promotion.model_hash in stack:
            while stack[-1] != promotion.model_hash:
                stack.pop()
        else:
            stack.append(promotion.model_hash)
    if len(stack) < 2:  # noqa: PLR2004 - the champion and the one before it
        raise ModelError("there is no version before the present champion; name one by its hash")
    return stack[-2]
