"""The model versions: the champion, all others, one in detail, two side by side."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse, Response

from ml.errors import ObjectAbsent
from moderation_ui.input_types import Sha256
from moderation_ui.language import Words, language_of
from moderation_ui.models_view import View
from moderation_ui.pages import render
from moderation_ui.refusals import Refused
from moderation_ui.resources import Resources, resources

if TYPE_CHECKING:
    from ml.model.overview import Version
    from ml.retraining.report_files import ReportFiles

router = APIRouter()
Opened = Annotated[Resources, Depends(resources)]
PlotName = Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")]


@router.get("/models", response_class=HTMLResponse)
def models(request: Request, opened: Opened) -> HTMLResponse:
    """What waits for an answer, the champion, every version, every switch."""
    from ml.model.overview import overview

    found = opened.transaction(overview)
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
    from ml.model.overview import evaluation

    found = _known(opened, model_hash)
    return render(
        request,
        "models_version.html.j2",
        version=found,
        report=opened.transaction(lambda c: evaluation(c, model_hash)),
        view=_view(request, opened),
    )


@router.get("/models/{model_hash}/plots/{name}")
def plot(model_hash: Sha256, name: PlotName, opened: Opened) -> Response:
    """One plot of the version's evaluation, of those that its report lists."""
    from ml.model.overview import evaluation

    report = opened.transaction(lambda c: evaluation(c, model_hash))
    if report is None or name not in report["plots"]:
        raise Refused(404, "absent", "no such plot")
    try:
        data = _files(report, opened).get_pictures([name], []).plots[name]
    except ObjectAbsent as error:
        raise Refused(404, "absent", "the plot is not stored any more") from error
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


@router.get("/models/{model_hash}/versus/{other}", response_class=HTMLResponse)
def versus(request: Request, model_hash: Sha256, other: Sha256, opened: Opened) -> HTMLResponse:
    """Two versions side by side, as a monthly run compared them; a sentence where none did."""
    from ml.model.overview import compared

    for each in (model_hash, other):
        _known(opened, each)
    return render(
        request,
        "models_versus.html.j2",
        model_hash=model_hash,
        other=other,
        report=opened.transaction(lambda c: compared(c, model_hash, other)),
        view=_view(request, opened),
    )


def _known(opened: Resources, model_hash: str) -> "Version":
    from ml.model.overview import one_version

    found = opened.transaction(lambda c: one_version(c, model_hash))
    if found is None:
        raise Refused(404, "absent", "no such model version")
    return found


def _view(request: Request, opened: Resources) -> View:
    return View(Words(language_of(request)), opened.policy)


def _files(report: dict[str, Any], opened: Resources) -> "ReportFiles":
    from ml.retraining.report_files import ReportFiles

    golden = report["golden"]["hash"]
    return ReportFiles(opened.connections.models, report["candidate"], golden)
