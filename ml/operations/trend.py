"""The nights up to one, from the reports stored with them: no verdict is counted again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from ml.operations.night import Night
from ml.storage.schema import audit_run

NIGHTS = 30


@dataclass(frozen=True)
class NightSummary:
    """One night of a trend; all that comes from its report is None where it has none yet.

    Verdicts are photos by decision; `yuan` is that of `ml.audit.report`.
    """

    run_id: str
    window_end: datetime
    state: str
    listed: int | None
    report: Mapping[str, Any] | None

    @property
    def verdicts(self) -> Mapping[str, int] | None:
        """Photos that passed, wait for a person and were blocked."""
        return self.report["verdicts"] if self.report else None

    @property
    def for_people(self) -> int | None:
        """Review tasks that the night opened: verdicts `review` and what the random audit drew."""
        if not self.report:
            return None
        audited: Mapping[str, int] = self.report.get("random_audit", {})
        return int(self.report["verdicts"]["review"]) + sum(audited.values())

    @property
    def review_rate(self) -> float | None:
        """Share of the night's verdicts that a person must look at, 0..1; None without any."""
        return review_rate(self.verdicts)

    @property
    def images_per_second(self) -> float | None:
        """Photos judged a second of wall-clock time of the judging tasks."""
        rate: float | None = self.report["images_per_second"] if self.report else None
        return rate

    @property
    def yuan(self) -> Mapping[str, float | None] | None:
        """What the night cost and saved."""
        return self.report["yuan"] if self.report else None

    @property
    def yuan_per_photo(self) -> float | None:
        """Machine and people together, a listed photo; None where nothing was listed."""
        listed: int = self.report["listed"] if self.report else 0
        yuan = self.yuan
        if not yuan or not listed:
            return None
        return ((yuan["machine"] or 0.0) + (yuan["review"] or 0.0)) / listed


def nights_until(
    connection: Connection, night: Night, *, limit: int = NIGHTS
) -> list[NightSummary]:
    """The last `limit` nights up to `night`, itself included, by the end of their windows."""
    columns = audit_run.c
    place = tuple_(columns.window_end, columns.started_at)
    query = (
        select(columns.run_id, columns.window_end, columns.state, columns.listed, columns.report)
        .where(place <= tuple_(night.window.end, night.started_at))
        .order_by(columns.window_end.desc(), columns.started_at.desc(), columns.run_id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    return [NightSummary(**row) for row in reversed(rows)]


def review_rate(verdicts: Mapping[str, int] | None) -> float | None:
    """Share of verdicts that are `review`, 0..1; None where there are none."""
    judged = sum(verdicts.values()) if verdicts else 0
    return verdicts["review"] / judged if verdicts and judged else None


def outside(rate: float | None, band: tuple[float, float]) -> bool:
    """Whether a rate lies outside of the band; its ends are inside, and so is what is unknown."""
    return rate is not None and not band[0] <= rate <= band[1]


def total_saved(nights: Sequence[NightSummary]) -> float:
    """Yuan saved over the nights that have a report."""
    return sum(night.yuan["saved"] or 0.0 for night in nights if night.yuan)
