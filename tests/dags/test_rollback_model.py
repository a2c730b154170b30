from typing import Any


def test_the_version_is_found_before_anything_changes(bag: dict[str, Any]) -> None:
    tasks = bag["dags"]["rollback_model"]["tasks"]
    assert {name: set(task["downstream"]) for name, task in tasks.items()} == {
        "resolve": {"switch"},
        "switch": {"nights"},
        "nights": {"rejudge"},
        "rejudge": set(),
    }
    assert tasks["rejudge"]["mapped"]
