"""Reviewers page: agreement, accuracy on golden photos, workload, activity log.

For model owners only: the figures are about persons.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from moderation_ui.review.reviewers_view import (
    agreement_matrix,
    golden_matrix,
    log_line,
    work_chart,
)
from moderation_ui.web.access import PagePermission, requires
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Identifier, Opened, TaskId
from moderation_ui.web.words import PageLabels

router = APIRouter(prefix="/reviewers", dependencies=[Depends(requires(PagePermission.MANAGE))])
SPANS = (7, 30, 90, 365)  # days
_LATEST = 15  # entries of the activity log


@router.get("", response_class=HTMLResponse)
def reviewers_page(
    request: Request,
    opened: Opened,
    labels: PageLabels,
    days: Annotated[int, Query(ge=1, le=SPANS[-1])] = 30,
) -> HTMLResponse:
    """Agreement, golden accuracy and work over the last days."""
    from ml.review.reviewer_stats import reviewer_report
    from ml.storage.activity_log import log_page

    until = datetime.now(UTC)
    since = until - timedelta(days=days)
    zone, others = opened.settings.timezone, labels.words("reviewers.others")
    found = opened.transaction(lambda c: reviewer_report(c, since=since, until=until, zone=zone))
    return render(
        request,
        "reviewers.html.j2",
        days=days,
        spans=SPANS,
        found=found,
        agreement=agreement_matrix(found.pairs),
        golden=golden_matrix(found.golden, labels.policy),
        chart=work_chart(found.work, since=since, until=until, zone=zone, others=others),
        log=opened.transaction(lambda c: log_page(c, limit=_LATEST)),
        log_line=lambda entry: log_line(entry, labels),
        labels=labels,
    )


@router.get("/activity", response_class=HTMLResponse)
def activity_page(
    request: Request,
    opened: Opened,
    labels: PageLabels,
    actor: Annotated[Identifier | None, Query()] = None,
    before: Annotated[TaskId | None, Query()] = None,
) -> HTMLResponse:
    """The activity log, page by page."""
    from ml.storage.activity_log import actors, log_page

    since = datetime.now(UTC) - timedelta(days=SPANS[-1])
    return render(
        request,
        "reviewers_activity.html.j2",
        actor=actor,
        before=before,
        names=opened.transaction(lambda c: actors(c, since=since)),
        log=opened.transaction(lambda c: log_page(c, actor=actor, before=before)),
        log_line=lambda entry: log_line(entry, labels),
    )
