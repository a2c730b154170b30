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
from moderation_ui.web.operations_labels import class_text
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Resources, Words, language_of, resources

router = APIRouter(prefix="/reviewers", dependencies=[Depends(requires(PagePermission.MANAGE))])
Opened = Annotated[Resources, Depends(resources)]
SPANS = (7, 30, 90, 365)
LATEST = 15
Days = Annotated[int, Query(ge=1, le=SPANS[-1])]
Actor = Annotated[str | None, Query(max_length=250, pattern=r"^[^\x00]*$")]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("", response_class=HTMLResponse)
def reviewers_page(request: Request, opened: Opened, days: Days = 30) -> HTMLResponse:
    """Agreement, golden accuracy and work over the last days."""
    from ml.review.reviewer_stats import reviewer_report
    from ml.storage.activity_log import log_page

    until = datetime.now(UTC)
    since = until - timedelta(days=days)
    zone = opened.settings.timezone
    found = opened.transaction(lambda c: reviewer_report(c, since=since, until=until, zone=zone))
    words, policy = Words(language_of(request)), opened.policy
    return render(
        request,
        "reviewers.html.j2",
        days=days,
        spans=SPANS,
        found=found,
        agreement=agreement_matrix(found.pairs),
        golden=golden_matrix(found.golden, policy),
        chart=work_chart(
            found.work, since=since, until=until, zone=zone, others=words("reviewers.others")
        ),
        log=opened.transaction(lambda c: log_page(c, limit=LATEST)),
        log_line=lambda entry: log_line(entry, words, policy),
        title_of=lambda name: class_text(name, words, policy),
    )


@router.get("/activity", response_class=HTMLResponse)
def activity_page(
    request: Request, opened: Opened, actor: Actor = None, before: Before = None
) -> HTMLResponse:
    """The activity log, page by page."""
    from ml.storage.activity_log import actors, log_page

    words, policy = Words(language_of(request)), opened.policy
    since = datetime.now(UTC) - timedelta(days=SPANS[-1])
    return render(
        request,
        "reviewers_activity.html.j2",
        actor=actor,
        before=before,
        names=opened.transaction(lambda c: actors(c, since=since)),
        log=opened.transaction(lambda c: log_page(c, actor=actor, before=before)),
        log_line=lambda entry: log_line(entry, words, policy),
    )
