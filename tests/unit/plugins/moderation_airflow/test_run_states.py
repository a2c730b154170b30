from moderation_airflow.runs import runs_over


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
