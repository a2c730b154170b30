"""What an operator looks at each morning: one night, and the nights before it."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from moderation_ui import operations_charts as charts
from moderation_ui.access import AUDIT_DAG
from moderation_ui.language import Words, language_of
from moderation_ui.operations_alerts import shown_alerts
from moderation_ui.operations_links import Links
from moderation_ui.operations_view import Morning, find_night, gather
from moderation_ui.operations_words import reason_text, short_name
from moderation_ui.pages import render
from moderation_ui.resources import Resources, resources

if TYPE_CHECKING:
    from ml.policy.policy import Policy

router = APIRouter()

RunId = Annotated[str | None, Query(max_length=250, pattern=r"^[^\x00]*$")]


@router.get("/operations", response_class=HTMLResponse)
def operations(
    request: Request,
    opened: Annotated[Resources, Depends(resources)],
    run: RunId = None,
    dag: Annotated[str, Query(max_length=250)] = AUDIT_DAG,
) -> HTMLResponse:
    """One night; the newest unless `run` names one. Runs of another DAG have none."""
    if dag != AUDIT_DAG:
        return nothing(request, "other_dag")
    night = find_night(opened, run)
    if night is None and run is not None:
        return nothing(request, "unknown_run", run_id=run)
    if night is None:
        return nothing(request, "no_night")
    morning = gather(opened, night, is_newest=run is None)
    return _page(request, opened, morning)


def nothing(request: Request, why: str, run_id: str | None = None) -> HTMLResponse:
    """A page that says why there is no night to show, and what to do."""
    return render(request, "operations_nothing.html.j2", why=why, run_id=run_id)


def _page(request: Request, opened: Resources, morning: Morning) -> HTMLResponse:
    from ml.operations.trend import outside, review_rate, total_saved

    policy = opened.policy
    words = Words(language_of(request))
    links = Links(request.scope.get("root_path", ""), morning.night.run_id)
    report = morning.night.report
    rate = review_rate(report["verdicts"] if report else None)
    band = policy.reviewing.review_rate_alert
    return render(
        request,
        "operations.html.j2",
        morning=morning,
        night=morning.night,
        summary=morning.nights[-1],
        to=links,
        rate=rate,
        band=band,
        rate_outside=outside(rate, band),
        total_saved=total_saved(morning.nights),
        alerts=shown_alerts(morning.alerts.value or [], words.language),
        charts=_charts(morning, words, links, policy, opened.settings.timezone),
        reason_text=lambda reason: reason_text(reason, words, policy),
        short_name=short_name,
    )


def _charts(
    morning: Morning, words: Words, links: Links, policy: "Policy", timezone: str
) -> dict[str, charts.Chart]:
    """Chart by name; those without data are left out."""
    reported = [night for night in morning.nights if night.report]
    found: dict[str, charts.Chart] = {}
    if reported:
        by_night = charts.NightCharts(reported, words, timezone=timezone, address=links.night)
        found = {
            "verdicts": by_night.verdict_mix(),
            "review_rate": by_night.review_rate(policy.reviewing.review_rate_alert),
            "throughput": by_night.throughput(),
            "saved": by_night.saved(),
        }
    report = morning.night.report
    if report and report["seconds"]:
        found["stages"] = charts.stages(report["seconds"], words)
    if morning.drift.value is not None:
        found["scores"] = charts.scores(morning.drift.value, words)
    if morning.leaks.value is not None and morning.leaks.value.months:
        found["leaks"] = charts.leaks(morning.leaks.value.months, words)
    return found
