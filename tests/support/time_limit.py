"""Time limits of tests, scaled to the speed of the machine; a test over its limit fails the run.

The limit applies to setup and call without shared fixtures, which have their own limit. Tests
marked `slow` have none. A test that took longer while others ran is run once more, alone, and that
time counts: how busy the machine was is not the test's fault.
"""

import os
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

OWN_SECONDS = 20.0
SHARED_SECONDS = 240.0  # of one fixture of a module or a session: a whole scenario in Airflow
# Images/s of `benchmarks.calibration` on the two cores that the limits were chosen on.
REFERENCE = 60.0

OWN, SHARED = "own_seconds", "shared_seconds"
ALONE = "TESTS_RUN_ALONE"  # environment variable of the second run


class Stopwatch:
    """Plugin of the process that runs tests: adds the seconds to each test's report."""

    def __init__(self) -> None:
        self._depth = 0
        self._shared: dict[str, float] = {}
        self._own = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object]
    ) -> Generator[None, object, object]:
        """Time the outermost shared fixture."""
        if fixturedef.scope == "function" or self._depth:
            return (yield)
        self._depth += 1
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._depth -= 1
            self._shared[fixturedef.argname] = time.monotonic() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the seconds to the report after the test's call."""
        if call.when == "setup":
            self._own = call.duration - sum(self._shared.values())
        if call.when == "call" and not item.get_closest_marker("slow"):
            item.user_properties.append((OWN, self._own + call.duration))
            item.user_properties.append((SHARED, self._shared))
        if call.when == "call":
            self._shared = {}
        return (yield)


class Limits:
    """Plugin of the reporting process: lists the tests over their limit and fails the run."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the seconds of a test and of the shared fixtures that it set up."""
        found = dict(report.user_properties)
        if report.when != "call" or OWN not in found:
            return
        self._seconds[report.nodeid, ""] = float(str(found[OWN]))
        shared = found[SHARED]
        if isinstance(shared, dict):
            for name, seconds in shared.items():
                self._seconds[report.nodeid, name] = seconds

    def _over(self, speed: float) -> dict[tuple[str, str], float]:
        """What took longer than its limit on a machine of `speed` images/s."""
        slower = max(1.0, REFERENCE / speed)
        return {
            (test, fixture): seconds
            for (test, fixture), seconds in self._seconds.items()
            if seconds > (SHARED_SECONDS if fixture else OWN_SECONDS) * slower
        }

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail the run if a limit was exceeded."""
        yield
        is_whole_run = getattr(session.config.option, "numprocesses", None)
        if not is_whole_run and not self._over(REFERENCE):
            return
        speed = speed_of_machine()
        over = self._over(speed)
        self._lines = [
            f"calibration: ResNet18, 224 px, float32, all cores: {speed:.1f} images/s",
            *(_describe(*measured) for measured in over.items()),
        ]
        is_green = session.exitstatus == pytest.ExitCode.OK
        if is_green and over and (os.environ.get(ALONE) or not self._holds_alone(list(over))):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _holds_alone(self, over: list[tuple[str, str]]) -> bool:
        """Run the tests once more, one after the other, with nothing else running."""
        tests = dict.fromkeys(test for test, _ in over)
        command = [sys.executable, "-m", "pytest", "-q", *tests]
        run = subprocess.run(
            command, env={**os.environ, ALONE: "1"}, capture_output=True, text=True, check=False
        )
        self._lines += ["Run once more, alone:", *run.stdout.splitlines()]
        return run.returncode == pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the speed of the machine and the tests over their limit."""
        for line in self._lines:
            terminalreporter.write_line(line, red=line.startswith("TOO SLOW"))


def speed_of_machine() -> float:
    """Images per second of the calibration."""
    from benchmarks.calibration import images_per_second  # noqa: PLC0415 - imports torch: seconds

    return images_per_second()


def _describe(measured: tuple[str, str], seconds: float) -> str:
    test, fixture = measured
    limit = SHARED_SECONDS if fixture else OWN_SECONDS
    name = f"fixture {fixture} of {test}" if fixture else test
    return (
        f"TOO SLOW: {name}: {seconds:.1f} s, limit {limit:.0f} s at {REFERENCE:.0f} images/s "
        "(mark it `slow`, or make it faster)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the stopwatch in every process, and the limits in the reporting one."""
    config.pluginmanager.register(Stopwatch())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Limits())
