"""Operations pages: a nightly run with trends and alerts, its photos, and one photo's timeline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints

from moderation_ui.operations import charts
from moderation_ui.operations.overview import RunOverview, find_nightly_run, load_overview
from moderation_ui.web.access import AUDIT_DAG, UserName
from moderation_ui.web.pages import base_path, render
from moderation_ui.web.resources import NO_NUL, Identifier, Opened, RequestModel
from moderation_ui.web.words import Labels, PageLabels

if TYPE_CHECKING:
    from ml.operations.monitoring.run_summary import NightlyRun
    from ml.storage.read.run_photos import PhotoFilter

router = APIRouter()
Key = Annotated[str, StringConstraints(max_length=1024, pattern=NO_NUL)]  # as in S3
ReasonCode = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]


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
    from ml.operations.alerting.messages import message, runbook_entry
    from ml.operations.monitoring.trend import outside, total_saved

    if dag != AUDIT_DAG:
        return _empty_page(request, "other_dag")
    nightly_run = find_nightly_run(opened, run)
    if nightly_run is None:
        return _empty_page(request, "no_run" if run is None else "unknown_run", run_id=run)
    overview = opened.transaction(load_overview, opened, labels.policy, nightly_run, run is None)
    links, summary = Links(base_path(request), nightly_run.run_id), overview.runs[-1]
    band = labels.policy.reviewing.review_rate_alert
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


def _empty_page(request: Request, why: str, run_id: str | None = None) -> HTMLResponse:
    """Why there is no run to show, and what to do."""
    return render(request, "operations_empty.html.j2", why=why, run_id=run_id)


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


class PhotoQuery(RequestModel):
    """Which photos of which run, and after which key."""

    run: Identifier
    outcome: Literal["judged", "quarantined", "already_judged", "undecided"] | None = None
    decision: Literal["pass", "review", "block"] | None = None
    reason: ReasonCode | None = None
    after: Key = ""


@router.get("/operations/photos", response_class=HTMLResponse)
def photos(
    request: Request, opened: Opened, labels: PageLabels, query: Annotated[PhotoQuery, Query()]
) -> HTMLResponse:
    """A page of a run's photos."""
    from ml.storage.read.run_photos import PhotoFilter, list_run_photos

    nightly_run = find_nightly_run(opened, query.run)
    if nightly_run is None:
        return _empty_page(request, "unknown_run", run_id=query.run)
    photo_filter = PhotoFilter(query.run, query.outcome, query.decision, query.reason)
    photo_page = opened.transaction(lambda c: list_run_photos(c, photo_filter, after=query.after))
    return render(
        request,
        "operations_photos.html.j2",
        nightly_run=nightly_run,
        photo_filter=photo_filter,
        photo_page=photo_page,
        total=_total(nightly_run, photo_filter),
        is_first=query.after == "",
        any_blurred=any(labels.is_blurred(each.reasons) for each in photo_page.photos),
        to=Links(base_path(request), query.run),
        labels=labels,
    )


@router.get("/operations/photo", response_class=HTMLResponse)
def photo(
    request: Request,
    opened: Opened,
    labels: PageLabels,
    user: UserName,
    key: Annotated[Key, Query()],
) -> HTMLResponse:
    """All uploads, verdicts, decisions and tasks of an object key."""
    from ml.operations.monitoring.photo_timeline import photo_timeline

    commerce = opened.connections.commerce
    timeline = opened.transaction(lambda c: photo_timeline(c, key, viewer=user, commerce=commerce))
    return render(
        request,
        "operations_photo.html.j2",
        timeline=timeline,
        hide=any(labels.is_blurred(run.reasons) for run in timeline.verdicts),
        to=Links(base_path(request), run_id=""),
        labels=labels,
    )


def _total(nightly_run: "NightlyRun", photo_filter: "PhotoFilter") -> int | None:
    """How many photos match, where the run's own numbers say so."""
    query = {k: v for k, v in vars(photo_filter).items() if v is not None and k != "run_id"}
    report = nightly_run.report
    if not query:
        return nightly_run.listed
    if query.keys() == {"outcome"}:
        number: int = getattr(nightly_run, query["outcome"])
        return number
    if query.keys() == {"decision"} and report:
        return int(report["verdicts"][query["decision"]])
    if query.get("outcome") == "quarantined" and "decision" not in query and report:
        return int(report["quarantine_reasons"].get(query["reason"], 0))
    return None
