from typing import Any

import pytest

from ml.policy.retention import Retention

KINDS = {f"{name.removesuffix('_days')}" for name in Retention.model_fields}


@pytest.fixture
def dag(bag: dict[str, Any]) -> dict[str, Any]:
    return bag["dags"]["purge_expired"]


def test_every_kind_of_the_policy_has_its_task_between_plan_and_report(
    dag: dict[str, Any],
) -> None:
    downstream = {name: set(task["downstream"]) for name, task in dag["tasks"].items()}
    kinds = downstream.keys() - {"plan", "report"}
    assert {kind.removesuffix("s") for kind in kinds} == KINDS
    assert downstream["plan"] == kinds | {"report"}
    assert all(downstream[kind] == {"report"} for kind in kinds)


def test_the_report_waits_for_all_kinds(dag: dict[str, Any]) -> None:
    assert {task["trigger_rule"] for task in dag["tasks"].values()} == {"all_success"}


def test_it_needs_no_device(dag: dict[str, Any]) -> None:
    assert {task["pool"] for task in dag["tasks"].values()} == {"default_pool"}


def test_a_week_ends_on_sunday_morning_in_shanghai(dag: dict[str, Any]) -> None:
    # 07:30 on a Sunday in Shanghai is 23:30 UTC on Saturday; asked on Monday, 23 November.
    assert dag["interval"] == ["2026-11-14T23:30:00+00:00", "2026-11-21T23:30:00+00:00"]
