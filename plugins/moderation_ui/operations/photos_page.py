"""The photos behind the numbers of a nightly run, and the timeline of one photo."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from moderation_ui.operations.page import Links, empty_page
from moderation_ui.operations.view import find_nightly_run
from moderation_ui.web.access import UserName
from moderation_ui.web.operations_labels import blurred, class_text, reason_text, short_name
from moderation_ui.web.pages import render
from moderation_ui.web.resources import Resources, Words, language_of, resources

if TYPE_CHECKING:
    from ml.operations.monitoring.run_summary import NightlyRun
    from ml.storage.read.run_photos import PhotoFilter

router = APIRouter()

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text cannot hold it
Key = Annotated[str, Query(max_length=2048, pattern=_NO_NUL)]


class PhotoQuery(BaseModel):
    """Which photos of which run, and after which key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Annotated[str, Field(max_length=250, pattern=_NO_NUL)]
    outcome: Literal["judged", "quarantined", "already_judged", "undecided"] | None = None
    decision: Literal["pass", "review", "block"] | None = None
    reason: Annotated[str | None, Field(max_length=200, pattern=_NO_NUL)] = None
    after: Annotated[str, Field(max_length=2048, pattern=_NO_NUL)] = ""


@router.get("/operations/photos", response_class=HTMLResponse)
def photos(
    request: Request,
    opened: Annotated[Resources, Depends(resources)],
    query: Annotated[PhotoQuery, Query()],
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
        any_blurred=any(blurred(each.reasons, opened.policy) for each in photo_page.photos),
        **_shared(request, opened, query.run),
    )


@router.get("/operations/photo", response_class=HTMLResponse)
def photo(
    request: Request,
    opened: Annotated[Resources, Depends(resources)],
    user: UserName,
    key: Key,
) -> HTMLResponse:
    """Everything that happened under an object key."""
    from ml.operations.monitoring.photo_timeline import photo_timeline

    commerce = opened.connections.commerce
    timeline = opened.transaction(lambda c: photo_timeline(c, key, viewer=user, commerce=commerce))
    reasons = [reason for run in timeline.verdicts for reason in run.reasons]
    return render(
        request,
        "operations_photo.html.j2",
        timeline=timeline,
        hide=blurred(reasons, opened.policy),
        **_shared(request, opened, run_id=""),
    )


def _shared(request: Request, opened: Resources, run_id: str) -> dict[str, Any]:
    policy, words = opened.policy, Words(language_of(request))
    return {
        "to": Links(request.scope.get("root_path", ""), run_id),
        "reason_text": lambda reason: reason_text(reason, words, policy),
        "blurred": lambda reasons: blurred(reasons, policy),
        "class_text": lambda name: class_text(name, words, policy),
        "short_name": short_name,
    }


def _total(nightly_run: "NightlyRun", photo_filter: "PhotoFilter") -> int | None:
    """How many photos fit, where the run's own numbers say so."""
    query = {k: v for k, v in vars(photo_filter).items() if v is not None and k != "run_id"}
    if not query:
        return nightly_run.listed
    if query.keys() == {"outcome"}:
        number: int = getattr(nightly_run, query["outcome"])
        return number
    if query.keys() == {"decision"} and nightly_run.report:
        return int(nightly_run.report["verdicts"][query["decision"]])
    if query.get("outcome") == "quarantined" and "decision" not in query and nightly_run.report:
        return int(nightly_run.report["quarantine_reasons"].get(query["reason"], 0))
    return None
