from typing import Any


def test_the_watch_is_one_short_task(bag: dict[str, Any]) -> None:
    (watch,) = bag["dags"]["watch_moderation"]["tasks"].values()
    assert watch["timeout_seconds"] <= 5 * 60
    assert watch["pool"] == "default_pool"  # it must not wait behind a judging task


def test_the_nights_deadline_is_the_policys(bag: dict[str, Any]) -> None:
    four_hours = 4 * 3600  # from 02:00 to 06:00
    deadlines = {name: dag["deadlines"] for name, dag in bag["dags"].items() if dag["deadlines"]}
    assert deadlines == {
        "audit_review_images": [["night_late", "moderation_airflow.deadline.look", four_hours]]
    }
