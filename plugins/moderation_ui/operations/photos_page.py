"""The photos behind the numbers of a nightly run, and the timeline of one photo."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints

from moderation_ui.operations.overview import find_nightly_run
from moderation_ui.operations.page import Links, empty_page
from moderation_ui.web.access import UserName
from moderation_ui.web.pages import base_path, render
from moderation_ui.web.resources import NO_NUL, Identifier, Opened, RequestModel
from moderation_ui.web.words import PageLabels

if TYPE_CHECKING:
    from ml.operations.monitoring.run_summary import NightlyRun
    from ml.storage.read.run_photos import PhotoFilter

router = APIRouter()
Key = Annotated[str, StringConstraints(max_length=2048, pattern=NO_NUL)]
ReasonCode = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]


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
        return empty_page(request, "unknown_run", run_id=query.run)
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
