"""The photos behind the numbers of a night, and the story of one photo."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from moderation_ui.access import UserName
from moderation_ui.language import Words, language_of
from moderation_ui.operations import nothing
from moderation_ui.operations_links import Links
from moderation_ui.operations_view import find_night
from moderation_ui.operations_words import blurred, class_text, reason_text, short_name
from moderation_ui.pages import render
from moderation_ui.resources import Resources, resources

if TYPE_CHECKING:
    from ml.operations.night import Night
    from ml.operations.photos import Wanted

router = APIRouter()

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text cannot hold it
Key = Annotated[str, Query(max_length=2048, pattern=_NO_NUL)]


class Asked(BaseModel):
    """Which photos of which night, and after which key."""

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
    asked: Annotated[Asked, Query()],
) -> HTMLResponse:
    """A page of a night's photos."""
    from ml.operations.photos import Wanted, photos_of

    night = find_night(opened, asked.run)
    if night is None:
        return nothing(request, "unknown_run", run_id=asked.run)
    wanted = Wanted(asked.run, asked.outcome, asked.decision, asked.reason)
    found = opened.transaction(lambda c: photos_of(c, wanted, after=asked.after))
    return render(
        request,
        "operations_photos.html.j2",
        night=night,
        wanted=wanted,
        found=found,
        total=_total(night, wanted),
        is_first=asked.after == "",
        any_blurred=any(blurred(each.reasons, opened.policy) for each in found.photos),
        **_shared(request, opened, asked.run),
    )


@router.get("/operations/photo", response_class=HTMLResponse)
def photo(
    request: Request,
    opened: Annotated[Resources, Depends(resources)],
    user: UserName,
    key: Key,
) -> HTMLResponse:
    """Everything that happened under an object key."""
    from ml.operations.story import story

    commerce = opened.connections.commerce
    told = opened.transaction(lambda c: story(c, key, asked_by=user, commerce=commerce))
    reasons = [reason for run in told.judged for reason in run.reasons]
    return render(
        request,
        "operations_photo.html.j2",
        story=told,
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


def _total(night: "Night", wanted: "Wanted") -> int | None:
    """How many photos fit, where the night's own numbers say so."""
    asked = {k: v for k, v in vars(wanted).items() if v is not None and k != "run_id"}
    if not asked:
        return night.listed
    if asked.keys() == {"outcome"}:
        number: int = getattr(night, asked["outcome"])
        return number
    if asked.keys() == {"decision"} and night.report:
        return int(night.report["verdicts"][asked["decision"]])
    if asked.get("outcome") == "quarantined" and "decision" not in asked and night.report:
        return int(night.report["quarantine_reasons"].get(asked["reason"], 0))
    return None
