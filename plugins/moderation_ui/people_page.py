"""The reviewers: how they agree, how they do on golden photos, how they work, what they did.

For owners alone: it is about people.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from moderation_ui.access import Right, requires
from moderation_ui.language import Words, language_of
from moderation_ui.operations_words import class_text
from moderation_ui.pages import render
from moderation_ui.people_view import agreement_matrix, golden_matrix, work_chart
from moderation_ui.people_words import told
from moderation_ui.resources import Resources, resources

router = APIRouter(prefix="/people", dependencies=[Depends(requires(Right.OWN))])
Opened = Annotated[Resources, Depends(resources)]
SPANS = (7, 30, 90, 365)
LATEST = 15
Days = Annotated[int, Query(ge=1, le=SPANS[-1])]
Who = Annotated[str | None, Query(max_length=250, pattern=r"^[^\x00]*$")]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("", response_class=HTMLResponse)
def people_page(request: Request, opened: Opened, days: Days = 30) -> HTMLResponse:
    """Agreement, golden accuracy and work over the last days."""
    from ml.review.audit_log import log_page
    from ml.review.people import people

    until = datetime.now(UTC)
    since = until - timedelta(days=days)
    zone = opened.settings.timezone
    found = opened.transaction(lambda c: people(c, since=since, until=until, zone=zone))
    words, policy = Words(language_of(request)), opened.policy
    return render(
        request,
        "people.html.j2",
        days=days,
        spans=SPANS,
        found=found,
        agreement=agreement_matrix(found.pairs),
        golden=golden_matrix(found.golden, policy),
        chart=work_chart(
            found.work, since=since, until=until, zone=zone, others=words("people.others")
        ),
        log=opened.transaction(lambda c: log_page(c, most=LATEST)),
        told=lambda entry: told(entry, words, policy),
        title_of=lambda name: class_text(name, words, policy),
    )


@router.get("/activity", response_class=HTMLResponse)
def activity_page(
    request: Request, opened: Opened, who: Who = None, before: Before = None
) -> HTMLResponse:
    """What people did, a page at a time."""
    from ml.review.audit_log import log_page, people_in_log

    words, policy = Words(language_of(request)), opened.policy
    since = datetime.now(UTC) - timedelta(days=SPANS[-1])
    return render(
        request,
        "people_activity.html.j2",
        who=who,
        before=before,
        names=opened.transaction(lambda c: people_in_log(c, since=since)),
        log=opened.transaction(lambda c: log_page(c, who=who, before=before)),
        told=lambda entry: told(entry, words, policy),
    )
