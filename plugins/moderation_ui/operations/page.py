"""Operations page: latest run, trends, alerts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from moderation_ui.operations import charts
from moderation_ui.operations.overview import RunOverview, find_nightly_run, load_overview
from moderation_ui.web.access import AUDIT_DAG
from moderation_ui.web.pages import base_path, render
from moderation_ui.web.resources import Identifier, Opened, Resources
from moderation_ui.web.words import Labels, PageLabels

if TYPE_CHECKING:
    from ml.operations.monitoring.run_summary import NightlyRun

router = APIRouter()


@dataclass(frozen=True)
class Links:
    """Addresses under the app's prefix, for one nightly run."""

    base: str
    run_id: str

    def nightly_run(self, run_id: str | None = None) -> str:
        """The page of a nightly run; of this one unless another is named."""
        return f"{self.base}/operations?{urlencode({'run': run_id or self.run_id})}"

    def photos(self, **fields: str | None) -> str:
        """The photos of this run that match `outcome`, `decision`, `reason`, from `after` on."""
        query = {"run": self.run_id} | {k: v for k, v in fields.items() if v is not None}
        return f"{self.base}/operations/photos?{urlencode(query)}"

    def photo(self, object_key: str) -> str:
        """The timeline of one photo."""
        return f"{self.base}/operations/photo?{urlencode({'key': object_key})}"

    def image(self, content_sha256: str, *, side: int = 320) -> str:
        """The photo itself, resized."""
        return f"{self.base}/photos/{content_sha256}?side={side}"

    def airflow(self) -> str:
        """The run's page in Airflow, as text: Airflow's frame does not let links out."""
        return f"/dags/{AUDIT_DAG}/runs/{quote(self.run_id, safe='')}"


@router.get("/operations", response_class=HTMLResponse)
def operations(
    request: Request,
    opened: Opened,
    labels: PageLabels,
    run: Annotated[Identifier | None, Query()] = None,
    dag: Annotated[str, Query(max_length=250)] = AUDIT_DAG,
) -> HTMLResponse:
    """One nightly run, the latest unless `run` names one; a page that says why there is none."""
    if dag != AUDIT_DAG:
        return empty_page(request, "other_dag")
    nightly_run = find_nightly_run(opened, run)
    if nightly_run is None:
        return empty_page(request, "no_run" if run is None else "unknown_run", run_id=run)
    return _run_page(request, opened, labels, nightly_run, is_latest=run is None)


def empty_page(request: Request, why: str, run_id: str | None = None) -> HTMLResponse:
    """Why there is no run to show, and what to do."""
    return render(request, "operations_empty.html.j2", why=why, run_id=run_id)


def _run_page(
    request: Request,
    opened: Resources,
    labels: Labels,
    nightly_run: "NightlyRun",
    *,
    is_latest: bool,
) -> HTMLResponse:
    from ml.operations.alerting.messages import message, runbook_entry
    from ml.operations.monitoring.trend import outside, total_saved

    overview = opened.transaction(
        lambda c: load_overview(c, opened, nightly_run, is_latest=is_latest)
    )
    links, summary = Links(base_path(request), nightly_run.run_id), overview.runs[-1]
    band = opened.policy.reviewing.review_rate_alert
    return render(
        request,
        "operations.html.j2",
        overview=overview,
        nightly_run=nightly_run,
        summary=summary,
        to=links,
        band=band,
        rate_outside=outside(summary.review_rate, band),
        total_saved=total_saved(overview.runs),
        alert_message=message,
        runbook_entry=runbook_entry,
        charts=_charts(overview, labels, links, opened.settings.timezone),
        labels=labels,
    )


def _charts(
    overview: RunOverview, labels: Labels, links: Links, timezone: str
) -> dict[str, charts.Chart]:
    """Chart by name; those without data are omitted."""
    words, report = labels.words, overview.nightly_run.report
    reported = [nightly_run for nightly_run in overview.runs if nightly_run.report]
    found: dict[str, charts.Chart] = {}
    if reported:
        trends = charts.TrendCharts(reported, words, timezone=timezone, address=links.nightly_run)
        found = {
            "verdicts": trends.verdict_mix(),
            "review_rate": trends.review_rate(labels.policy.reviewing.review_rate_alert),
            "throughput": trends.throughput(),
            "saved": trends.saved(),
        }
    if report and report["seconds"]:
        found["stages"] = charts.stages(report["seconds"], words)
    if overview.drift.value is not None:
        found["scores"] = charts.scores(overview.drift.value, words)
    if overview.leaks.value is not None and overview.leaks.value.months:
        found["leaks"] = charts.leaks(overview.leaks.value.months, words)
    return found
