"""Time limits of tests, scaled to the speed of the machine; a test over its limit fails the run.

The limit applies to setup and call without shared fixtures, which have their own limit. Tests
marked `slow` have none.
"""

import time
from collections.abc import Generator

import pytest

from benchmarks.calibration import images_per_second

OWN_SECONDS = 20.0
SHARED_SECONDS = 240.0  # of one fixture of a module or a session: a whole scenario in Airflow
# Images/s of `benchmarks.calibration` on the two cores that the limits were chosen on.
REFERENCE = 60.0

OWN, SHARED = "own_seconds", "shared_seconds"


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
        self.seconds: dict[str, float] = {}
        self.limits: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Store the seconds of a test and of the shared fixtures that it set up."""
        found = dict(report.user_properties)
        if report.when != "call" or OWN not in found:
            return
        self._keep(report.nodeid, float(str(found[OWN])), OWN_SECONDS)
        shared = found[SHARED]
        if isinstance(shared, dict):
            for name, seconds in shared.items():
                self._keep(f"fixture {name} of {report.nodeid}", seconds, SHARED_SECONDS)

    def _keep(self, name: str, seconds: float, limit: float) -> None:
        self.seconds[name], self.limits[name] = seconds, limit

    def over(self, speed: float) -> list[str]:
        """Return what took longer than its limit on a machine of `speed` images/s."""
        slower = max(1.0, REFERENCE / speed)
        return [n for n, seconds in self.seconds.items() if seconds > self.limits[n] * slower]

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail the run if a limit was exceeded."""
        yield
        whole_run = getattr(session.config.option, "numprocesses", None)
        if not whole_run and not self.over(REFERENCE):
            return
        speed = images_per_second()
        self.summary = [
            f"calibration: ResNet18, 224 px, float32, all cores: {speed:.1f} images/s",
            *(
                f"TOO SLOW: {name}: {self.seconds[name]:.1f} s, limit {self.limits[name]:.0f} s "
                f"at {REFERENCE:.0f} images/s (mark it `slow`, or make it faster)"
                for name in self.over(speed)
            ),
        ]
        if self.over(speed) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    summary: list[str] = []  # noqa: RUF012 - replaced, never changed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the speed of the machine and the tests over their limit."""
        for line in self.summary:
            terminalreporter.write_line(line, red=line.startswith("TOO SLOW"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the stopwatch in every process, and the limits in the reporting one."""
    config.pluginmanager.register(Stopwatch())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Limits())
