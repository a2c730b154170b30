"""Requirements for every DAG; add a new DAG to DAG_IDS first."""

from pathlib import Path
from typing import Any

from tests.dags.conftest import parse_dags

DAG_IDS = {
    "audit_review_images", "purge_expired", "retrain_model", "rollback_model", "evaluate_alerts",
}  # fmt: skip


def test_dag_folder_has_exactly_the_known_dags(bag: dict[str, Any]) -> None:
    assert set(bag["dags"]) == DAG_IDS


def test_every_dag_file_imports_without_errors(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}


def test_every_dag_has_a_description(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert "moderation" in dag["tags"], name
        assert len(dag["doc_md"] or "") > 200, name


def test_every_dag_has_no_catchup_and_one_active_run(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1), name


def test_every_task_has_owner_retries_and_timeout(bag: dict[str, Any]) -> None:
    for dag in bag["dags"].values():
        for name, task in dag["tasks"].items():
            assert task["owner"] == "moderation", name
            assert task["retries"] >= 2, name
            assert 0 < task["timeout_seconds"] <= 12 * 3600, name


def test_every_task_has_a_failure_callback(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert dag["on_failure"] == ["WebhookNotifier"], name
        for task_id, task in dag["tasks"].items():
            assert task["on_failure"] == ["WebhookNotifier"], (name, task_id)


def test_every_dag_file_imports_without_the_policy_file(
    bag: dict[str, Any], tmp_path: Path
) -> None:
    without = parse_dags(tmp_path, MODERATION_POLICY_FILE=str(tmp_path / "gone.yaml"))
    assert without == bag  # the shipped policy has the default deadline
