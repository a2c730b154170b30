from typing import Any

import pytest

from ml.policy.operations import Retention

KINDS = {f"{name.removesuffix('_days')}" for name in Retention.model_fields}


@pytest.fixture
def dag(bag: dict[str, Any]) -> dict[str, Any]:
    return bag["dags"]["purge_expired"]


def test_every_retention_kind_has_a_task_between_plan_and_report(
    dag: dict[str, Any],
) -> None:
    downstream = {name: set(task["downstream"]) for name, task in dag["tasks"].items()}
    kinds = downstream.keys() - {"plan", "report"}
    assert {kind.removesuffix("s") for kind in kinds} == KINDS
    assert downstream["plan"] == kinds | {"report"}
    assert all(downstream[kind] == {"report"} for kind in kinds)


def test_every_purge_task_requires_success_of_its_upstreams(dag: dict[str, Any]) -> None:
    assert {task["trigger_rule"] for task in dag["tasks"].values()} == {"all_success"}


def test_purge_expired_tasks_use_no_gpu_pool(dag: dict[str, Any]) -> None:
    assert {task["pool"] for task in dag["tasks"].values()} == {"default_pool"}


def test_purge_expired_schedule_is_sunday_morning_in_shanghai(dag: dict[str, Any]) -> None:
    # 07:30 on a Sunday in Shanghai is 23:30 UTC on Saturday; asked on Monday, 23 November.
    assert dag["interval"] == ["2026-11-14T23:30:00+00:00", "2026-11-21T23:30:00+00:00"]
