"""Trend over nightly runs, from the reports stored with them: nothing is counted again."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ml.operations.monitoring.run_summary import NightlyRun
from ml.storage.read.run_summary import StoredReport, list_reports

MAX_RUNS = 30


class RunTotals(StoredReport):
    """One nightly run of a trend; all that comes from its report is None until it has one.

    Verdicts are photos by decision; `yuan` is that of `ml.moderation.nightly.report`.
    """

    @property
    def verdicts(self) -> Mapping[str, int] | None:
        """Photos that passed, wait for review and were blocked."""
        return self.report["verdicts"] if self.report else None

    @property
    def review_tasks(self) -> int | None:
        """Review tasks that the run opened: verdicts `review`, and photos that were drawn."""
        if not self.report:
            return None
        spot_checks: Mapping[str, int] = self.report.get("spot_check", {})
        drawn = sum(spot_checks.values()) + int(self.report.get("active_learning", 0))
        return int(self.report["verdicts"]["review"]) + drawn

    @property
    def review_rate(self) -> float | None:
        """Share of the run's verdicts that are `review`, 0..1; None without any."""
        return review_rate(self.verdicts)

    @property
    def images_per_second(self) -> float | None:
        """Photos scored per second of wall-clock time of the scoring tasks."""
        rate: float | None = self.report["images_per_second"] if self.report else None
        return rate

    @property
    def yuan(self) -> Mapping[str, float | None] | None:
        """What the run cost and saved."""
        return self.report["yuan"] if self.report else None

    @property
    def yuan_per_photo(self) -> float | None:
        """Cost of machine and reviewers per listed photo; None where nothing was listed."""
        listed: int = self.report["listed"] if self.report else 0
        yuan = self.yuan
        if not yuan or not listed:
            return None
        return ((yuan["machine"] or 0.0) + (yuan["review"] or 0.0)) / listed


def runs_until(
    connection: Connection, nightly_run: NightlyRun, *, limit: int = MAX_RUNS
) -> list[RunTotals]:
    """The last `limit` runs up to and including `nightly_run`, by the end of their windows."""
    latest_first = list_reports(connection, nightly_run.rank, limit=limit)
    return [RunTotals(**vars(stored)) for stored in reversed(latest_first)]


def review_rate(verdicts: Mapping[str, int] | None) -> float | None:
    """Share of verdicts that are `review`, 0..1; None where there are none."""
    photos = sum(verdicts.values()) if verdicts else 0
    return verdicts["review"] / photos if verdicts and photos else None


def outside(rate: float | None, band: tuple[float, float]) -> bool:
    """Whether a rate lies outside of the band; its ends are inside, and so is an unknown rate."""
    return rate is not None and not band[0] <= rate <= band[1]


def total_saved(runs: Sequence[RunTotals]) -> float:
    """Yuan saved over the runs that have a report."""
    return sum(run.yuan["saved"] or 0.0 for run in runs if run.yuan)
