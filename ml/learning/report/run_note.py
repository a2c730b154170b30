"""Result of a retraining run as Markdown, English and Chinese: approval summary and run note."""

from typing import Any

from sqlalchemy import Connection

from ml.core.format import counts, percent
from ml.learning.report.tables import BOUND_STATES, SETS, golden_labels, measures
from ml.models.bound_state import find_bound_state
from ml.models.evaluation.model_comparison import main_set
from ml.storage import model_versions, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import ModelVersion
from ml.storage.retrain_runs import RetrainRun

_STATES = {
    "promoted": "Promoted · 已上线",
    "held": "Held by failed gates · 未通过上线检查",
    "rejected": "Rejected · 已驳回",
    "skipped": "Skipped · 已跳过",
    "running": "Not finished · 尚未完成",
}
_FIGURES = ("accuracy", "leak_rate", "review_rate", "recall")


def closing_note(run_id: str, *, connections: Connections) -> str:
    """How the run ended and why, with the key figures; at most a few hundred characters."""
    run, version = in_transaction(connections.engine, lambda c: _load(c, run_id))
    lines = [f"**{_STATES[run.state]}**" + (f": {run.reason}" if run.reason else "")]
    if version is not None and version.evaluation:
        lines += ["", *_figures(version.evaluation)]
    for start in run.starts or []:
        if start["chosen"]:
            kind, log_loss = start["kind"], f"{start['log_loss']:.4f}"
            lines += ["", f"Trained from 初始权重: {kind}, log loss 对数损失 {log_loss}"]
    if run.candidate_hash:
        candidate = run.candidate_hash[:12]
        lines += ["", f"Candidate 候选模型 `{candidate}` · report 报告: tab Model report"]
    return "\n".join(lines)


def approval_brief(
    run_id: str, shadow_difference: dict[str, Any] | None, *, connections: Connections
) -> str:
    """What an approver needs to know: metrics, gates, and which verdicts would change."""
    run, version = in_transaction(connections.engine, lambda c: _load(c, run_id))
    lines = ["Every gate passed · 上线检查全部通过", ""]
    if version is not None:
        lines += _figures(version.evaluation) if version.evaluation else []
        lines += ["", "| gate 上线检查 | result 结果 |", "|---|---|"]
        lines += [f"| {g['name']} | {g['reason']} |" for g in (version.gates or [])]
    if shadow_difference is not None:
        lines += ["", *_shadow_lines(shadow_difference)]
    hint = "rejected without an answer · 逾期自动驳回"
    return "\n".join([*lines, "", f"Candidate 候选模型 `{run.candidate_hash}`; {hint}"])


def _load(connection: Connection, run_id: str) -> tuple[RetrainRun, ModelVersion | None]:
    run = retrain_runs.load(connection, run_id)
    if run.candidate_hash is None:
        return run, None
    return run, model_versions.load_version(connection, run.candidate_hash)


def _figures(report: dict[str, Any]) -> list[str]:
    compared = main_set(report)
    found = report["sets"][compared]
    photos = f"{SETS[compared].en} {SETS[compared].zh} ({found['photos']:,})"
    return [
        f"| {photos} | candidate 候选模型 | champion 现役模型 |",
        "|---|---:|---:|",
        *(
            f"| {row['name']} | {percent(row['candidate'])} | {percent(row['champion'])} |"
            for row in measures(found)
            if row["figure"].endswith(_FIGURES)
        ),
        *_bound_lines(report),
        *_golden_lines(report),
    ]


def _bound_lines(report: dict[str, Any]) -> list[str]:
    """That the leak bound is not met, or not proven; nothing if it is met."""
    state = find_bound_state(report["thresholds"]["candidate"])
    if state not in {"not_met", "not_proven"}:
        return []
    return ["", f"**{BOUND_STATES[state].en} · {BOUND_STATES[state].zh}**"]


def _golden_lines(report: dict[str, Any]) -> list[str]:
    """How far the golden labels are confirmed."""
    labels = golden_labels(report)
    if labels is None:
        return []
    lines = ["", f"{labels.sentence.en} {labels.sentence.zh}"]
    return lines + (["", f"**{labels.warning.en} {labels.warning.zh}**"] if labels.warning else [])


def _shadow_lines(difference: dict[str, Any]) -> list[str]:
    same, photos = f"{difference['same']:,}", f"{difference['photos']:,}"
    changes = counts(difference["changes"]) if difference["changes"] else "none"
    # Keys may contain buyers' text: as code, so that Markdown in them is not rendered.
    samples = {
        change: ", ".join(f"`{key.replace('`', '')}`" for key in keys[:5])
        for change, keys in difference["samples"].items()
    }
    return [
        f"Shadow run · 影子运行: {same} of {photos} verdicts are the same · 判定一致; {changes}",
        *(f"- {change}: {keys}" for change, keys in samples.items()),
    ]
