"""Operations page: latest run, trends, alerts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from moderation_ui.operations import charts
from moderation_ui.operations.view import RunOverview, find_nightly_run, gather
from moderation_ui.web.access import AUDIT_DAG
from moderation_ui.web.operations_labels import reason_text, short_name
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Resources, Words, language_of, resources

if TYPE_CHECKING:
    from ml.storage.alerts import StoredAlert
if TYPE_CHECKING:
    from ml.policy.schema import Policy


@dataclass(frozen=True)
class ShownAlert:
    """One alert in one language; `notified`: the webhook accepted it."""

    title: str
    text: str
    raised_at: datetime
    notified: bool
    runbook: str


def shown_alerts(stored: "Iterable[StoredAlert]", language: str) -> list[ShownAlert]:
    """Each with the text that its receiver reads."""
    from ml.operations.alerting.messages import message, runbook_entry

    shown = []
    for row in stored:
        content = message(row.alert.kind, row.alert.details)
        shown.append(
            ShownAlert(
                title=content.title[language],
                text=content.text[language],
                raised_at=row.raised_at,
                notified=row.notified_at is not None,
                runbook=runbook_entry(row.alert.kind),
            )
        )
    return shown


@dataclass(frozen=True)
class Links:
    """Addresses under the app's prefix, for one nightly run."""

    base: str
    run_id: str

    def nightly_run(self, run_id: str | None = None) -> str:
        """The page of a nightly run; of this one unless another is named."""
        return f"{self.base}/operations?{urlencode({'run': run_id or self.run_id})}"

    def photos(self, **wanted: str | None) -> str:
        """The photos of this run that fit `outcome`, `decision`, `reason`, from `after` on."""
        query = {"run": self.run_id} | {k: v for k, v in wanted.items() if v is not None}
        return f"{self.base}/operations/photos?{urlencode(query)}"

    def photo(self, object_key: str) -> str:
        """The story of one photo."""
        return f"{self.base}/operations/photo?{urlencode({'key': object_key})}"

    def bytes_of(self, content_sha256: str, *, side: int = 320) -> str:
        """The photo itself, made small."""
        return f"{self.base}/photos/{quote(content_sha256, safe='')}?side={side}"

    def airflow(self) -> str:
        """The run's page in Airflow, as text: a frame cannot lead the window there."""
        return f"/dags/{AUDIT_DAG}/runs/{quote(self.run_id, safe='')}"


router = APIRouter()

RunId = Annotated[str | None, Query(max_length=250, pattern=r"^[^\x00]*$")]


@router.get("/operations", response_class=HTMLResponse)
def operations(
    request: Request,
    opened: Annotated[Resources, Depends(resources)],
    run: RunId = None,
    dag: Annotated[str, Query(max_length=250)] = AUDIT_DAG,
) -> HTMLResponse:
    """One nightly run; the newest unless `run` names one. Runs of another DAG have none."""
    if dag != AUDIT_DAG:
        return empty_page(request, "other_dag")
    nightly_run = find_nightly_run(opened, run)
    if nightly_run is None and run is not None:
        return empty_page(request, "unknown_run", run_id=run)
    if nightly_run is None:
        return empty_page(request, "no_run")
    overview = gather(opened, nightly_run, is_newest=run is None)
    return _page(request, opened, overview)


def empty_page(request: Request, why: str, run_id: str | None = None) -> HTMLResponse:
    """Why there is no run to show, and what to do."""
    return render(request, "operations_empty.html.j2", why=why, run_id=run_id)


def _page(request: Request, opened: Resources, overview: RunOverview) -> HTMLResponse:
    from ml.operations.monitoring.trend import outside, review_rate, total_saved

    policy = opened.policy
    words = Words(language_of(request))
    links = Links(request.scope.get("root_path", ""), overview.nightly_run.run_id)
    report = overview.nightly_run.report
    rate = review_rate(report["verdicts"] if report else None)
    band = policy.reviewing.review_rate_alert
    return render(
        request,
        "operations.html.j2",
        overview=overview,
        nightly_run=overview.nightly_run,
        summary=overview.runs[-1],
        to=links,
        rate=rate,
        band=band,
        rate_outside=outside(rate, band),
        total_saved=total_saved(overview.runs),
        alerts=shown_alerts(overview.alerts.value or [], words.language),
        charts=_charts(overview, words, links, policy, opened.settings.timezone),
        reason_text=lambda reason: reason_text(reason, words, policy),
        short_name=short_name,
    )


def _charts(
    overview: RunOverview, words: Words, links: Links, policy: "Policy", timezone: str
) -> dict[str, charts.Chart]:
    """Chart by name; those without data are left out."""
    reported = [nightly_run for nightly_run in overview.runs if nightly_run.report]
    found: dict[str, charts.Chart] = {}
    if reported:
        trends = charts.TrendCharts(reported, words, timezone=timezone, address=links.nightly_run)
        found = {
            "verdicts": trends.verdict_mix(),
            "review_rate": trends.review_rate(policy.reviewing.review_rate_alert),
            "throughput": trends.throughput(),
            "saved": trends.saved(),
        }
    report = overview.nightly_run.report
    if report and report["seconds"]:
        found["stages"] = charts.stages(report["seconds"], words)
    if overview.drift.value is not None:
        found["scores"] = charts.scores(overview.drift.value, words)
    if overview.leaks.value is not None and overview.leaks.value.months:
        found["leaks"] = charts.leaks(overview.leaks.value.months, words)
    return found
