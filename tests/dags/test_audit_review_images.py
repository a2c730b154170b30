from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import parse_dags


@pytest.fixture
def dag(bag: dict[str, Any]) -> dict[str, Any]:
    return bag["dags"]["audit_review_images"]


def test_audit_review_images_steps_run_in_order(dag: dict[str, Any]) -> None:
    assert {name: set(task["downstream"]) for name, task in dag["tasks"].items()} == {
        "preflight": {"discover", "publish_labels", "remember_decisions"},
        "publish_labels": set(),
        "remember_decisions": {"score_shard"},
        "discover": {"score_shard", "write_back"},
        "score_shard": {"write_back"},
        "write_back": {"reconcile"},
        "reconcile": {"report"},
        "report": set(),
    }


def test_only_the_scoring_task_is_mapped(dag: dict[str, Any]) -> None:
    assert [name for name, task in dag["tasks"].items() if task["mapped"]] == ["score_shard"]


def test_gpu_tasks_use_the_gpu_pool_and_queue(dag: dict[str, Any]) -> None:
    in_pool = {name for name, task in dag["tasks"].items() if task["pool"] == "gpu"}
    assert in_pool == {"preflight", "remember_decisions", "score_shard"}
    assert {task["queue"] for task in dag["tasks"].values()} == {"default"}


def test_only_write_back_runs_after_a_failed_shard(
    dag: dict[str, Any],
) -> None:
    rules = {name: task["trigger_rule"] for name, task in dag["tasks"].items()}
    assert rules.pop("write_back") == "all_done"
    assert set(rules.values()) == {"all_success"}


def test_run_window_is_from_two_to_two_in_shanghai(dag: dict[str, Any]) -> None:
    # 02:00 in Shanghai is 18:00 UTC; asked at noon UTC of the 23rd.
    assert dag["interval"] == ["2026-11-21T18:00:00+00:00", "2026-11-22T18:00:00+00:00"]


def test_lineage_of_the_nightly_run(dag: dict[str, Any]) -> None:
    edges = {
        name: (task["inlets"], task["outlets"])
        for name, task in dag["tasks"].items()
        if task["inlets"] or task["outlets"]
    }
    assert edges == {
        "discover": (["review_uploads"], []),
        "publish_labels": ([], ["review_labels"]),
        "score_shard": (["moderation_champion"], []),
        "reconcile": ([], ["review_verdicts"]),
    }


def test_uploads_trigger_runs_only_where_the_settings_say_so(
    dag: dict[str, Any], tmp_path: Path
) -> None:
    assert dag["timetable"] == "CronDataIntervalTimetable"
    triggered = parse_dags(tmp_path, MODERATION_TRIGGER_ON_UPLOADS="true")
    found = triggered["dags"]["audit_review_images"]
    assert found["timetable"] == "AssetOrTimeSchedule"
    assert found["interval"] == dag["interval"]  # the time of the night is the same
