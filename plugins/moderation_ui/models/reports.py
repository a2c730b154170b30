"""The evaluation report of a retraining run, as stored in the model bucket."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from moderation_ui.web.resources import Resources, resources

router = APIRouter()

_NOTHING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Model report</title>
<style>:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui; margin: 2rem }}</style>
<p>{en}</p><p lang="zh">{zh}</p></html>"""
_OTHER_DAG = (
    "Only runs of retrain_model have a model report.",
    "只有 retrain_model 的运行有模型报告。",
)
_NOT_YET = (
    "This run has no report: it was skipped, or is not evaluated yet.",
    "此运行没有报告：已跳过，或尚未完成评估。",
)


@router.get("/report", response_class=HTMLResponse)
def report(
    opened: Annotated[Resources, Depends(resources)],
    dag: str = Query(max_length=250),
    run: str = Query(max_length=250),
) -> HTMLResponse:
    """The report of a run of `retrain_model`; a page that says so where there is none."""
    if dag != "retrain_model":
        return _sentence(_OTHER_DAG)
    page = _stored_page(opened, run)
    return _sentence(_NOT_YET) if page is None else HTMLResponse(page)


def _sentence(words: tuple[str, str]) -> HTMLResponse:
    return HTMLResponse(_NOTHING.format(en=words[0], zh=words[1]))


def _stored_page(opened: Resources, run_id: str) -> bytes | None:
    from ml.core.errors import ObjectNotFound
    from ml.storage.read.model_listing import find_report_hashes

    hashes = opened.transaction(find_report_hashes, run_id)
    if hashes is None:
        return None
    candidate, golden = hashes
    try:
        return opened.connections.models.get(f"evaluations/{candidate}/{golden}/report.html")
    except ObjectNotFound:
        return None
