from types import SimpleNamespace

from ml.core.errors import StorageUnavailable
from moderation_airflow.alerts import MAX_ERROR, Failure, failure_of


def _context(**more: object) -> dict[str, object]:
    dag, ti = SimpleNamespace(dag_id="d"), SimpleNamespace(task_id="judge")
    return {"dag": dag, "run_id": "r", "ti": ti, **more}


def test_a_task_is_named_with_what_our_error_says() -> None:
    error = StorageUnavailable("the database is away")
    assert failure_of(_context(exception=error)) == Failure(
        "d", "r", "judge", "StorageUnavailable: the database is away"
    )


def test_of_a_strange_error_only_the_kind_is_told() -> None:
    error = ValueError("password=hidden")
    assert failure_of(_context(exception=error)).error == "ValueError"


def test_a_killed_task_has_no_error() -> None:
    assert failure_of(_context()).error == "killed, or lost with its worker"


def test_a_run_that_airflow_ended_names_no_task() -> None:
    found = failure_of(_context(reason="timed_out"))
    assert (found.task_id, found.error) == ("run", "timed_out")


def test_a_long_error_is_cut() -> None:
    found = failure_of(_context(exception=StorageUnavailable("x" * 9999)))
    assert len(found.error) == MAX_ERROR
