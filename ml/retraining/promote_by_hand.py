"""A person makes a registered version the champion, outside of a monthly run."""

from typing import Any

import structlog
from sqlalchemy import select

from ml.audit.preflight import check_classes
from ml.connections import Connections
from ml.errors import ModelError
from ml.model import registry
from ml.policy.policy import load_policy
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.schema import model_version

log = structlog.get_logger()


def promote_by_hand(
    model_hash: str,
    *,
    by: str,
    reason: str,
    expected: str | None,
    settings: Settings,
    connections: Connections,
) -> None:
    """Promote a version that no gate holds; again is no change.

    It is loaded and checked first. A version that was never gated (trained by hand) may be
    promoted: that is what this is for.

    Args:
        model_hash: the version.
        by: who, for the history.
        reason: why, for the history.
        expected: the champion that the person saw; None: that there was none.
        settings: name the policy in force.
        connections: open ones.

    Raises:
        ModelError: no such version, the gates hold it (says which), or it cannot be loaded.
        PolicyError: the policy in force names other classes than the version.
        ChampionChanged: another switch came first.
    """
    _check_gates(model_hash, connections)
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, load_policy(settings.policy_file))
    registry.promote(model_hash, engine=connections.engine, by=by, reason=reason, expected=expected)
    log.info("promoted by hand", model_hash=model_hash, by=by)


def _check_gates(model_hash: str, connections: Connections) -> None:
    columns = model_version.c
    query = select(columns.gate_decision, columns.gates).where(columns.model_hash == model_hash)
    row = in_transaction(connections.engine, lambda c: c.execute(query).first())
    if row is None:
        raise ModelError(f"no registered model version {model_hash}")
    if row.gate_decision == "hold":
        gates: list[dict[str, Any]] = row.gates or []
        held = "; ".join(f"{g['name']} ({g['reason']})" for g in gates if not g["passed"])
        raise ModelError(f"the gates hold {model_hash[:12]}: {held}")
