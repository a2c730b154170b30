import pytest

from ml.core.errors import RejudgeFailed
from moderation_airflow.runs import have_succeeded, runs_over


class Counting:
    """Counts runs as Airflow's task instance does: by state, among those that there are."""

    def __init__(self, **runs: str) -> None:
        self._runs = runs

    def get_dr_count(
        self, *, dag_id: str, run_ids: list[str], states: list[str] | None = None
    ) -> int:
        """How many of the runs are in one of the states."""
        known = [self._runs.get(f"{dag_id}_{run_id}") for run_id in run_ids]
        return sum(state is not None and (states is None or state in states) for state in known)


RUNS = Counting(night_good="success", night_bad="failed", night_now="running")


def test_runs_over_are_those_succeeded_or_deleted() -> None:
    facts = ["night/good", "night/bad", "night/now", "night/deleted"]
    assert runs_over(RUNS, facts, own_dag="watch") == ["night/good", "night/deleted"]


def test_key_of_the_asking_dag_is_over() -> None:
    assert runs_over(RUNS, ["watch", "other"], own_dag="watch") == ["watch"]


AUDITS = Counting(audit_a="success", audit_b="success", audit_now="running", audit_bad="failed")


def test_have_succeeded_waits_until_all_have_ended() -> None:
    assert have_succeeded(AUDITS, "audit", [])
    assert have_succeeded(AUDITS, "audit", ["a", "b"])
    assert not have_succeeded(AUDITS, "audit", ["a", "bad", "now"])


@pytest.mark.parametrize("other", ["bad", "deleted"])
def test_failed_or_deleted_run_is_named_with_the_remedy(other: str) -> None:
    with pytest.raises(RejudgeFailed, match=rf"1 failed or were deleted: {other}; clear them"):
        have_succeeded(AUDITS, "audit", ["a", other])
