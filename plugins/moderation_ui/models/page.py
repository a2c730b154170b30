"""Models page: versions, one version, comparison; promotion and rollback."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import StringConstraints

from ml.core.errors import ObjectNotFound
from moderation_ui.models.view import View
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.pages import render
from moderation_ui.web.request_types import JsonBody, Reason, Sha256
from moderation_ui.web.resources import Resources, Words, language_of, resources

if TYPE_CHECKING:
    from ml.learning.report.page import ReportFiles
    from ml.storage.read.model_listing import ModelListing


api_router = APIRouter(
    prefix="/api/models", dependencies=[Depends(requires(PagePermission.MANAGE))]
)
Opened = Annotated[Resources, Depends(resources)]
HashStart = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]


class PromoteBody(JsonBody):
    """`expected` is the champion that the page showed; None: that there was none."""

    reason: Reason
    expected: Sha256 | None


class RollbackBody(JsonBody):
    """`expected` as above; without it, whichever is champion."""

    to: Literal["previous"] | HashStart
    reason: Reason
    expected: Sha256 | None = None


@api_router.post("/{model_hash}/promote")
def promote(
    model_hash: Sha256, body: PromoteBody, opened: Opened, user: UserName
) -> dict[str, str]:
    """Make a version the champion that no gate holds; says which one is."""
    # Here, since it loads the version: an API server that promotes nothing never imports torch.
    from ml.learning.retrain.promote import promote_manually

    promote_manually(
        model_hash, by=user, reason=body.reason, expected=body.expected, **_parts(opened)
    )
    return {"champion": model_hash}


@api_router.post("/rollback")
def rollback(body: RollbackBody, opened: Opened, user: UserName) -> dict[str, str]:
    """Make an earlier champion the champion again; says which one is."""
    from ml.learning.retrain.promote import rollback as roll_back

    expected = ... if body.expected is None else body.expected
    champion = roll_back(body.to, by=user, reason=body.reason, expected=expected, **_parts(opened))
    return {"champion": champion}


def _parts(opened: Resources) -> dict[str, Any]:
    return {"settings": opened.settings, "connections": opened.connections}


router = APIRouter()
PlotName = Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")]


@router.get("/models", response_class=HTMLResponse)
def models(request: Request, opened: Opened) -> HTMLResponse:
    """What waits for an answer, the champion, every version, every switch."""
    from ml.storage.read.model_listing import load_overview

    found = opened.transaction(load_overview)
    return render(
        request,
        "models.html.j2",
        script_words=("models.",),
        found=found,
        view=_view(request, opened),
    )


@router.get("/models/{model_hash}", response_class=HTMLResponse)
def version(request: Request, model_hash: Sha256, opened: Opened) -> HTMLResponse:
    """One version."""
    from ml.storage.model_versions import load_evaluation

    found = _known(opened, model_hash)
    return render(
        request,
        "models_version.html.j2",
        version=found,
        report=opened.transaction(lambda c: load_evaluation(c, model_hash)),
        view=_view(request, opened),
    )


@router.get("/models/{model_hash}/plots/{name}")
def plot(model_hash: Sha256, name: PlotName, opened: Opened) -> Response:
    """One plot of the version's evaluation, of those that its report lists."""
    from ml.storage.model_versions import load_evaluation

    report = opened.transaction(lambda c: load_evaluation(c, model_hash))
    if report is None or name not in report["plots"]:
        raise ApiError(404, "absent", "no such plot")
    try:
        data = _files(report, opened).get_pictures([name], []).plots[name]
    except ObjectNotFound as error:
        raise ApiError(404, "absent", "the plot is not stored any more") from error
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


@router.get("/models/{model_hash}/versus/{other}", response_class=HTMLResponse)
def versus(request: Request, model_hash: Sha256, other: Sha256, opened: Opened) -> HTMLResponse:
    """Two versions side by side, as a monthly run compared them; a sentence where none did."""
    from ml.storage.read.model_listing import load_comparison

    for each in (model_hash, other):
        _known(opened, each)
    return render(
        request,
        "models_versus.html.j2",
        model_hash=model_hash,
        other=other,
        report=opened.transaction(lambda c: load_comparison(c, model_hash, other)),
        view=_view(request, opened),
    )


def _known(opened: Resources, model_hash: str) -> "ModelListing":
    from ml.storage.read.model_listing import load_listing

    found = opened.transaction(lambda c: load_listing(c, model_hash))
    if found is None:
        raise ApiError(404, "absent", "no such model version")
    return found


def _view(request: Request, opened: Resources) -> View:
    return View(Words(language_of(request)), opened.policy)


def _files(report: dict[str, Any], opened: Resources) -> "ReportFiles":
    from ml.learning.report.page import ReportFiles

    golden = report["golden"]["hash"]
    return ReportFiles(opened.connections.models, report["candidate"], golden)
