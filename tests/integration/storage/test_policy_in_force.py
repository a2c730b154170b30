"""The policy in force, with a valid file, with a broken one, and before the first run."""

from datetime import UTC, datetime

import pytest

from ml.core.errors import PolicyError
from ml.policy.schema import load_policy
from ml.storage import audit_runs, retrain_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.policy_in_force import PolicyInForce, policy_in_force
from ml.storage.retrain_runs import RetrainRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _in_force(shop: Shop) -> PolicyInForce:
    return in_transaction(shop.connections.engine, policy_in_force, shop.settings)


def _break_file(shop: Shop) -> None:
    shop.settings.policy_file.write_text("classes: [", encoding="utf-8")


def test_valid_file_is_in_force(shop: Shop) -> None:
    found = _in_force(shop)
    assert found == PolicyInForce(load_policy(shop.settings.policy_file))
    assert found.require_classes() == found.policy


def test_newest_policy_of_nightly_and_retraining_runs_replaces_a_broken_file(shop: Shop) -> None:
    policy = load_policy(shop.settings.policy_file)
    newer = policy.model_copy(update={"pass_confidence": 0.91})
    night = AuditRun("night", shop.window, shop.model_hash, policy, "cpu")
    month = RetrainRun("month", datetime.now(UTC), newer, "fast", 0, shop.model_hash)
    in_transaction(shop.connections.engine, audit_runs.begin, night)
    in_transaction(shop.connections.engine, retrain_runs.begin, month)
    _break_file(shop)
    found = _in_force(shop)
    assert found.require_classes() == newer
    assert found.stored is not None
    assert found.stored.run_id == "month"
    assert "policy.yaml, line 1" in str(found.problem)


def test_without_a_stored_policy_nothing_has_classes(shop: Shop) -> None:
    _break_file(shop)
    found = _in_force(shop)
    assert (found.policy.classes, found.stored) == ({}, None)
    with pytest.raises(PolicyError, match=r"policy\.yaml, line 1.*no run has stored a valid"):
        found.require_classes()
