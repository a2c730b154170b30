"""Models pages: versions, one version, comparison, reports; promotion and rollback."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import StringConstraints

from ml.core.errors import ObjectNotFound
from moderation_ui.models.view import PageView
from moderation_ui.web.access import RETRAIN_DAG, PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.pages import render
from moderation_ui.web.resources import NO_NUL, Opened, Reason, RequestModel, Resources, Sha256

if TYPE_CHECKING:
    from ml.storage.read.model_listing import ModelListing

router = APIRouter()
api_router = APIRouter(
    prefix="/api/models", dependencies=[Depends(requires(PagePermission.MANAGE))]
)
HashPrefix = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
PlotName = Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")]
AirflowId = Annotated[str, Query(max_length=250, pattern=NO_NUL)]


class PromoteBody(RequestModel):
    """`expected` is the champion that the page showed; None: that there was none."""

    reason: Reason
    expected: Sha256 | None


class RollbackBody(RequestModel):
    """`expected` as above; without it, whichever is champion."""

    to: Literal["previous"] | HashPrefix
    reason: Reason
    expected: Sha256 | None = None


@api_router.post("/{model_hash}/promote")
def promote(
    model_hash: Sha256, body: PromoteBody, opened: Opened, user: UserName
) -> dict[str, str]:
    """Make a version that failed no release check the champion; returns its hash."""
    # Here, since it loads the version: an API server that promotes nothing never imports torch.
    from ml.learning.retrain.promote import promote_manually

    reason, expected = body.reason, body.expected
    promote_manually(model_hash, by=user, reason=reason, expected=expected, **vars(opened))
    return {"champion": model_hash}


@api_router.post("/rollback")
def rollback(body: RollbackBody, opened: Opened, user: UserName) -> dict[str, str]:
    """Make an earlier champion the champion again; returns its hash."""
    from ml.learning.retrain.promote import rollback as roll_back

    expected = ... if body.expected is None else body.expected
    champion = roll_back(body.to, by=user, reason=body.reason, expected=expected, **vars(opened))
    return {"champion": champion}


@router.get("/models", response_class=HTMLResponse)
def models(request: Request, opened: Opened, view: PageView) -> HTMLResponse:
    """Candidates that wait for approval, the champion, all versions, the release history."""
    from ml.storage.read.model_listing import load_overview

    found = opened.transaction(load_overview)
    return render(request, "models.html.j2", script_words=("models.",), found=found, view=view)


@router.get("/models/{model_hash}", response_class=HTMLResponse)
def version(request: Request, model_hash: Sha256, opened: Opened, view: PageView) -> HTMLResponse:
    """One version."""
    from ml.storage.model_versions import load_evaluation

    listing = _load_listing(opened, model_hash)
    report = opened.transaction(load_evaluation, model_hash)
    return render(request, "models_version.html.j2", version=listing, report=report, view=view)


@router.get("/models/{model_hash}/plots/{name}")
def plot(model_hash: Sha256, name: PlotName, opened: Opened) -> Response:
    """One plot of the version's evaluation, of those that its report lists."""
    from ml.storage.model_versions import load_evaluation

    report = opened.transaction(load_evaluation, model_hash)
    if report is None or name not in report["plots"]:
        raise ApiError(404, "absent", "no such plot")
    data = _stored_file(opened, report["candidate"], report["golden"]["hash"], f"plots/{name}.png")
    if data is None:
        raise ApiError(404, "absent", "the plot is no longer stored")
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})


@router.get("/models/{model_hash}/versus/{other}", response_class=HTMLResponse)
def versus(
    request: Request, model_hash: Sha256, other: Sha256, opened: Opened, view: PageView
) -> HTMLResponse:
    """Two versions side by side, as a retraining run compared them; a sentence where none did."""
    from ml.storage.read.model_listing import load_comparison

    for each in (model_hash, other):
        _load_listing(opened, each)
    return render(
        request,
        "models_versus.html.j2",
        model_hash=model_hash,
        other=other,
        report=opened.transaction(load_comparison, model_hash, other),
        view=view,
    )


@router.get("/report", response_class=HTMLResponse)
def report(request: Request, opened: Opened, dag: AirflowId, run: AirflowId) -> Response:
    """The stored report of a run of `retrain_model`; a page that says so where there is none."""
    from ml.storage.read.model_listing import find_report_hashes

    if dag != RETRAIN_DAG:
        return render(request, "models_empty.html.j2", why="other_dag")
    hashes = opened.transaction(find_report_hashes, run)
    page = None if hashes is None else _stored_file(opened, *hashes, "report.html")
    if page is None:
        return render(request, "models_empty.html.j2", why="no_report_yet")
    return HTMLResponse(page)


def _stored_file(opened: Resources, candidate: str, golden_hash: str, name: str) -> bytes | None:
    """A file of a stored report; None where it does not exist."""
    from ml.learning.report.page import ReportFiles

    files = ReportFiles(opened.connections.models, candidate, golden_hash)
    try:
        return files.store.get(files.key(name))
    except ObjectNotFound:
        return None


def _load_listing(opened: Resources, model_hash: str) -> "ModelListing":
    from ml.storage.read.model_listing import load_listing

    listing = opened.transaction(load_listing, model_hash)
    if listing is None:
        raise ApiError(404, "absent", "no such model version")
    return listing
