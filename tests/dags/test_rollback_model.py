from typing import Any


def test_rollback_model_resolves_the_version_before_it_changes_anything(
    bag: dict[str, Any],
) -> None:
    tasks = bag["dags"]["rollback_model"]["tasks"]
    assert {name: set(task["downstream"]) for name, task in tasks.items()} == {
        "resolve": {"switch"},
        "switch": {"runs_to_rejudge"},
        "runs_to_rejudge": {"rejudge", "wait_for_runs"},
        "rejudge": {"wait_for_runs"},
        "wait_for_runs": set(),
    }
    assert tasks["rejudge"]["mapped"]


def test_rollback_model_holds_no_worker_slot_while_it_waits(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["rollback_model"]["tasks"]
    waits = {name: (task["waits"], task["reschedules"]) for name, task in tasks.items()}
    assert waits.pop("wait_for_runs") == (False, True)
    assert set(waits.values()) == {(False, False)}


def test_wait_for_runs_also_runs_after_a_retry_that_found_the_runs_started(
    bag: dict[str, Any],
) -> None:
    tasks = bag["dags"]["rollback_model"]["tasks"]
    assert tasks["wait_for_runs"]["trigger_rule"] == "none_failed"
