from structlog.contextvars import bound_contextvars, get_contextvars

from ml.inference.bounded import bounded_map
from ml.inference.threads import Threads


def test_work_in_a_thread_knows_what_its_submitter_was_about() -> None:
    with bound_contextvars(run_id="r", shard=3), Threads(2) as pool:
        seen = list(bounded_map(pool, lambda _: get_contextvars(), range(5), ahead=2))
    assert seen == [{"run_id": "r", "shard": 3}] * 5


def test_what_work_binds_does_not_reach_the_next_work_of_the_thread() -> None:
    def work(n: int) -> dict[str, object]:
        found = dict(get_contextvars())
        bound_contextvars(image=n).__enter__()
        return found

    with Threads(1) as pool:
        assert [pool.submit(work, n).result() for n in range(3)] == [{}, {}, {}]
