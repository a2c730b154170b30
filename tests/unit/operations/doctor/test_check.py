import stamina

from ml.core.errors import StorageUnavailable
from ml.operations.doctor.check import (
    Check,
    CheckStatus,
    Finding,
    failed,
    ok,
    run_checks,
    skipped,
)


def _states(*checks: Check) -> dict[str, CheckStatus]:
    return {name: finding.state for name, finding in run_checks(checks)}


def test_checks_that_need_a_failed_check_are_skipped() -> None:
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


def test_checks_that_need_a_skipped_check_are_skipped() -> None:
    states = _states(
        Check("broker", lambda: skipped("other executor")),
        Check("workers", lambda: ok("there"), needs=("broker",)),
    )
    assert states["workers"] is CheckStatus.SKIPPED


def test_error_of_known_type_has_remedy_of_check() -> None:
    def broken() -> Finding:
        raise StorageUnavailable("no connection")

    remedies = {StorageUnavailable: "start it", Exception: "other"}
    ((_, finding),) = run_checks([Check("database", broken, remedies=remedies)])
    assert finding == failed("no connection", remedy="start it")


def test_error_without_remedy_of_check_states_its_type() -> None:
    def broken() -> Finding:
        raise StorageUnavailable("no connection")

    ((_, finding),) = run_checks([Check("database", broken)])
    assert finding.message == "StorageUnavailable: no connection"
    assert finding.remedy


def test_unexpected_error_does_not_stop_other_checks() -> None:
    def broken() -> Finding:
        raise KeyError("surprise")

    (_, first), (_, second) = run_checks([Check("a", broken), Check("b", lambda: ok("fine"))])
    assert "unexpected KeyError" in first.message
    assert second.state is CheckStatus.OK


def test_check_runs_without_retries_and_retries_work_afterwards() -> None:
    tries: list[int] = []

    @stamina.retry(on=StorageUnavailable, attempts=3)
    def flaky() -> Finding:
        tries.append(1)
        raise StorageUnavailable("away")

    list(run_checks([Check("flaky", flaky)]))
    assert len(tries) == 1
    assert stamina.is_active()
