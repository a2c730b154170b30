"""What every DAG must have; a new DAG is added to the set below first."""

from typing import Any

DAG_IDS = {
    "audit_review_images", "purge_expired", "retrain_model", "rollback_model", "watch_moderation",
}  # fmt: skip


def test_the_dags_are_these_and_no_others(bag: dict[str, Any]) -> None:
    assert set(bag["dags"]) == DAG_IDS


def test_every_file_imports(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}


def test_every_dag_says_what_it_is(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert "moderation" in dag["tags"], name
        assert len(dag["doc_md"] or "") > 200, name


def test_no_dag_starts_by_itself_for_the_past_or_twice_at_once(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1), name


def test_every_task_has_an_owner_retries_and_an_end(bag: dict[str, Any]) -> None:
    for dag in bag["dags"].values():
        for name, task in dag["tasks"].items():
            assert task["owner"] == "moderation", name
            assert task["retries"] >= 2, name
            assert 0 < task["timeout_seconds"] <= 12 * 3600, name


def test_every_failure_is_told(bag: dict[str, Any]) -> None:
    for name, dag in bag["dags"].items():
        assert dag["told"] == ["WebhookNotifier"], name
        for task_id, task in dag["tasks"].items():
            assert task["told"] == ["WebhookNotifier"], (name, task_id)
