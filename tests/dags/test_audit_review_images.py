"""The shape of the nightly DAG."""

from typing import Any

import pytest

pytestmark = pytest.mark.airflow


@pytest.fixture
def dag(dags: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dags["dags"]["audit_review_images"]
    return found


def test_steps_follow_each_other(dag: dict[str, Any]) -> None:
    assert {name: task["downstream"] for name, task in dag["tasks"].items()} == {
        "preflight": ["discover"],
        "discover": ["judge", "write_back"],
        "judge": ["write_back"],
        "write_back": ["reconcile"],
        "reconcile": ["report"],
        "report": [],
    }


def test_judge_is_mapped_and_goes_where_the_gpu_is(dag: dict[str, Any]) -> None:
    judge = dag["tasks"]["judge"]
    assert judge["mapped"]
    assert (judge["pool"], judge["queue"]) == ("gpu", "default")
    # The device is checked where it will be used.
    preflight = dag["tasks"]["preflight"]
    assert (preflight["pool"], preflight["queue"]) == (judge["pool"], judge["queue"])


def test_judged_photos_are_written_even_when_a_shard_failed(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["write_back"]["trigger_rule"] == "all_done_min_one_success"
    assert dag["tasks"]["reconcile"]["trigger_rule"] == "all_success"


def test_it_runs_at_two_in_shanghai_and_takes_a_window(dag: dict[str, Any]) -> None:
    assert dag["timetable"] == "0 2 * * * Asia/Shanghai"
    assert dag["params"] == ["window_end", "window_start"]
