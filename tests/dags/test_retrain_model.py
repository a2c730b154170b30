from pathlib import Path
from typing import Any

import pytest

from ml.core.settings import ROOT
from tests.dags.conftest import parse_dags


@pytest.fixture
def dag(bag: dict[str, Any]) -> dict[str, Any]:
    return bag["dags"]["retrain_model"]


def test_retrain_model_steps_run_in_order(dag: dict[str, Any]) -> None:
    assert {name: set(task["downstream"]) for name, task in dag["tasks"].items()} == {
        "snapshot_labels": {"check_labels"},
        "check_labels": {"train"},
        "train": {"calibrate"},
        "calibrate": {"evaluate"},
        "evaluate": {"gate", "distill"},
        "distill": set(),
        "gate": {"shadow"},
        "shadow": {"approval_summary"},
        "approval_summary": {"approval_mode"},
        "approval_mode": {"approve", "promote"},
        "approve": {"promote"},
        "promote": {"finalize"},
        "finalize": set(),
    }


def test_retrain_model_gpu_tasks_use_the_gpu_pool(dag: dict[str, Any]) -> None:
    in_pool = {name for name, task in dag["tasks"].items() if task["pool"] == "gpu"}
    assert in_pool == {"check_labels", "train", "calibrate", "evaluate", "distill"}


def test_promote_runs_after_both_branches_and_close_runs_always(dag: dict[str, Any]) -> None:
    rules = {name: task["trigger_rule"] for name, task in dag["tasks"].items()}
    assert rules.pop("promote") == "none_failed_min_one_success"
    assert rules.pop("distill") == "none_failed"  # also after too few labels
    assert rules.pop("finalize").startswith("all_done")
    assert set(rules.values()) == {"all_success"}


def test_retrain_model_schedule_is_the_first_at_four_in_shanghai(dag: dict[str, Any]) -> None:
    # 04:00 of the 1st in Shanghai is 20:00 UTC of the day before; asked on 23 November.
    assert dag["interval"] == ["2026-09-30T20:00:00+00:00", "2026-10-31T20:00:00+00:00"]


def test_lineage_of_the_retraining_run(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["snapshot_labels"]["inlets"] == ["review_labels"]
    outlets = {name: task["outlets"] for name, task in dag["tasks"].items() if task["outlets"]}
    assert outlets == {"promote": ["moderation_champion"]}


def test_presets_to_choose_from_are_the_shipped_ones_and_the_default(
    dag: dict[str, Any], tmp_path: Path
) -> None:
    shipped = sorted(path.stem for path in (ROOT / "config" / "training").glob("*.yaml"))
    assert dag["params"]["preset"]["enum"] == shipped
    own = parse_dags(tmp_path, MODERATION_RETRAIN_PRESET="/srv/presets/own.yaml")
    enum = own["dags"]["retrain_model"]["params"]["preset"]["enum"]
    assert enum == sorted([*shipped, "/srv/presets/own.yaml"])
