"""The runs that a rollback repeats, and their ids."""

import pytest

from ml.core.errors import RunNotStarted
from ml.learning.retrain.rejudge import new_run_id, runs_to_rejudge
from ml.policy.schema import load_policy
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def night(shop: Shop) -> str:
    policy = load_policy(shop.settings.policy_file)
    with shop.connections.engine.begin() as connection:
        audit_runs.begin(connection, AuditRun("night", shop.window, shop.model_hash, policy, "cpu"))
    return "night"


def _ids(shop: Shop, *run_ids: str, rollback_id: str = "manual__a") -> list[str]:
    runs = runs_to_rejudge(
        run_ids, shop.model_hash, rollback_id=rollback_id, connections=shop.connections
    )
    return [run["trigger_run_id"] for run in runs]


def test_run_is_repeated_with_its_window(shop: Shop, night: str) -> None:
    (run,) = runs_to_rejudge(
        [night, night], shop.model_hash, rollback_id="manual__a", connections=shop.connections
    )
    assert run["conf"] == {
        "window_start": shop.window.start.isoformat(),
        "window_end": shop.window.end.isoformat(),
    }
    assert "manual__a" in run["trigger_run_id"]
    assert night in run["trigger_run_id"]


def test_retry_has_the_same_ids_and_every_other_rollback_has_others(shop: Shop, night: str) -> None:
    first = _ids(shop, night)
    assert _ids(shop, night) == first
    assert _ids(shop, night, rollback_id="manual__b") != first
    # The whole run of the DAG was cleared after another promotion.
    shop.execute(
        "insert into moderation.promotion (model_hash, promoted_by, reason, kind) "
        "values (:m, 'test', 'test', 'rollback')",
        m=shop.model_hash,
    )
    assert _ids(shop, night) != first


def test_unknown_run_is_named(shop: Shop) -> None:
    with pytest.raises(RunNotStarted, match="nobody"):
        _ids(shop, "nobody")


def test_long_ids_fit_into_airflow_and_stay_distinct() -> None:
    a, b = (new_run_id("n" * 250 + end, "manual__a__7") for end in "ab")
    assert (len(a), len(b)) == (250, 250)
    assert a != b
    assert a.startswith("again__manual__a__7__n")
