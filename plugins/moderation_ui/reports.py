"""The evaluation report of a monthly run, as stored in the model bucket."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse

from moderation_ui.resources import Resources, resources

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
    "This run has no report: it was skipped, or has not been evaluated yet.",
    "此次运行没有报告：已跳过，或尚未评估。",
)


@router.get("/report", response_class=HTMLResponse)
def report(
    opened: Annotated[Resources, Depends(resources)],
    dag: str = Query(max_length=250),
    run: str = Query(max_length=250),
) -> HTMLResponse:
    """The report of a run of `retrain_model`; a plain sentence where there is none."""
    if dag != "retrain_model":
        return _sentence(_OTHER_DAG)
    page = _stored_page(opened, run)
    return _sentence(_NOT_YET) if page is None else HTMLResponse(page)


def _sentence(words: tuple[str, str]) -> HTMLResponse:
    return HTMLResponse(_NOTHING.format(en=words[0], zh=words[1]))


def _stored_page(opened: Resources, run_id: str) -> bytes | None:
    from sqlalchemy import select

    from ml.errors import ObjectAbsent
    from ml.storage.schema import label_snapshot, retrain_run

    query = (
        select(retrain_run.c.candidate_hash, label_snapshot.c.golden_hash)
        .join(label_snapshot, label_snapshot.c.snapshot_hash == retrain_run.c.snapshot_hash)
        .where(retrain_run.c.run_id == run_id)
    )
    row = opened.transaction(lambda c: c.execute(query).first())
    if row is None or row.candidate_hash is None:
        return None
    try:
        return opened.connections.models.get(
            f"evaluations/{row.candidate_hash}/{row.golden_hash}/report.html"
        )
    except ObjectAbsent:
        return None
