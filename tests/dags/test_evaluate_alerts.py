from typing import Any


def test_evaluate_alerts_is_one_task_with_a_short_timeout(bag: dict[str, Any]) -> None:
    (watch,) = bag["dags"]["evaluate_alerts"]["tasks"].values()
    assert watch["timeout_seconds"] <= 5 * 60
    assert watch["pool"] == "default_pool"  # it must not wait for a scoring task


def test_nightly_run_deadline_is_that_of_the_policy(bag: dict[str, Any]) -> None:
    four_hours = 4 * 3600  # from 02:00 to 06:00
    deadlines = {name: dag["deadlines"] for name, dag in bag["dags"].items() if dag["deadlines"]}
    assert deadlines == {
        "audit_review_images": [
            ["run_late", "moderation_airflow.task_defaults.on_deadline_missed", four_hours]
        ]
    }
