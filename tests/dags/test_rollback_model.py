from typing import Any


def test_rollback_model_resolves_the_version_before_it_changes_anything(
    bag: dict[str, Any],
) -> None:
    tasks = bag["dags"]["rollback_model"]["tasks"]
    assert {name: set(task["downstream"]) for name, task in tasks.items()} == {
        "resolve": {"switch"},
        "switch": {"runs_to_rejudge"},
        "runs_to_rejudge": {"rejudge"},
        "rejudge": set(),
    }
    assert tasks["rejudge"]["mapped"]
