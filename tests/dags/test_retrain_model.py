from typing import Any

import pytest


@pytest.fixture
def dag(bag: dict[str, Any]) -> dict[str, Any]:
    return bag["dags"]["retrain_model"]


def test_the_steps_follow_each_other(dag: dict[str, Any]) -> None:
    assert {name: set(task["downstream"]) for name, task in dag["tasks"].items()} == {
        "freeze": {"check_labels"},
        "check_labels": {"train"},
        "train": {"calibrate"},
        "calibrate": {"evaluate"},
        "evaluate": {"gate"},
        "gate": {"shadow"},
        "shadow": {"brief"},
        "brief": {"who_decides"},
        "who_decides": {"approve", "promote"},
        "approve": {"promote"},
        "promote": {"close"},
        "close": set(),
    }


def test_what_needs_the_device_is_in_its_pool(dag: dict[str, Any]) -> None:
    in_pool = {name for name, task in dag["tasks"].items() if task["pool"] == "gpu"}
    assert in_pool == {"check_labels", "train", "evaluate"}


def test_promote_runs_after_either_way_and_close_runs_always(dag: dict[str, Any]) -> None:
    rules = {name: task["trigger_rule"] for name, task in dag["tasks"].items()}
    assert rules.pop("promote") == "none_failed_min_one_success"
    assert rules.pop("close").startswith("all_done")
    assert set(rules.values()) == {"all_success"}


def test_a_month_ends_at_four_in_shanghai_on_the_first(dag: dict[str, Any]) -> None:
    # 04:00 of the 1st in Shanghai is 20:00 UTC of the day before; asked on 23 November.
    assert dag["interval"] == ["2026-09-30T20:00:00+00:00", "2026-10-31T20:00:00+00:00"]
