from types import SimpleNamespace

from airflow.sdk.exceptions import AirflowFailException

from ml.core.errors import QuarantineShareExceeded, StorageUnavailable
from moderation_airflow.alerts import MAX_ERROR, failure_of


def _context(**more: object) -> dict[str, object]:
    dag, ti = SimpleNamespace(dag_id="d"), SimpleNamespace(task_id="score_shard")
    return {"dag": dag, "run_id": "r", "ti": ti, **more}


def test_failure_names_the_task_and_our_message() -> None:
    error = StorageUnavailable("the database is away")
    assert failure_of(_context(exception=error)) == {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "score_shard",
        "error": "StorageUnavailable: the database is away",
    }


def test_failure_of_a_foreign_error_names_its_type_alone() -> None:
    error = ValueError("password=hidden")
    assert failure_of(_context(exception=error))["error"] == "ValueError"


def test_failure_that_is_not_retried_says_our_error() -> None:
    error = AirflowFailException("too many")
    error.__cause__ = QuarantineShareExceeded("too many")
    found = failure_of(_context(exception=error))["error"]
    assert found == "QuarantineShareExceeded: too many"


def test_failure_without_an_exception_says_killed() -> None:
    assert failure_of(_context())["error"] == "killed, or lost with its worker"


def test_failure_of_a_whole_run_names_no_task() -> None:
    found = failure_of(_context(reason="timed_out"))
    assert (found["task_id"], found["error"]) == ("run", "timed_out")


def test_long_error_is_truncated() -> None:
    found = failure_of(_context(exception=StorageUnavailable("x" * 9999)))
    assert len(found["error"]) == MAX_ERROR
