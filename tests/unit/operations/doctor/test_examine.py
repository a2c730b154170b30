import stamina

from ml.core.errors import StorageUnavailable
from ml.operations.doctor.result import CheckStatus, Finding, failed, ok, skipped
from ml.operations.doctor.runner import Check, run_checks


def _states(*checks: Check) -> dict[str, CheckStatus]:
    return {each.name: each.finding.state for each in run_checks(checks)}


def test_what_rests_on_a_failure_is_not_asked() -> None:
    def must_not() -> Finding:
        raise AssertionError

    assert _states(
        Check("ground", lambda: failed("gone", remedy="dig")),
        Check("wall", must_not, needs=("ground",)),
        Check("roof", must_not, needs=("wall",)),
        Check("garden", lambda: ok("green")),
    ) == {
        "ground": CheckStatus.FAILED,
        "wall": CheckStatus.SKIPPED,
        "roof": CheckStatus.SKIPPED,
        "garden": CheckStatus.OK,
    }


def test_what_rests_on_something_not_asked_for_is_not_asked_either() -> None:
    states = _states(
        Check("broker", lambda: skipped("other executor")),
        Check("workers", lambda: ok("there"), needs=("broker",)),
    )
    assert states["workers"] is CheckStatus.SKIPPED


def test_an_error_of_ours_is_a_failure_with_the_checks_remedy() -> None:
    def broken() -> Finding:
        raise StorageUnavailable("the database is gone")

    (found,) = run_checks([Check("database", broken, remedy="start it")])
    assert found.finding == failed("StorageUnavailable: the database is gone", remedy="start it")


def test_a_broken_check_does_not_hide_the_others() -> None:
    def broken() -> Finding:
        raise KeyError("surprise")

    first, second = run_checks([Check("a", broken), Check("b", lambda: ok("fine"))])
    assert "unexpected KeyError" in first.finding.message
    assert second.finding.state is CheckStatus.OK


def test_a_check_tries_once_and_others_retry_again_afterwards() -> None:
    tries: list[int] = []

    @stamina.retry(on=StorageUnavailable, attempts=3)
    def flaky() -> Finding:
        tries.append(1)
        raise StorageUnavailable("away")

    list(run_checks([Check("flaky", flaky)]))
    assert len(tries) == 1
    assert stamina.is_active()
