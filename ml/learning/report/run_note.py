"""Result of a retraining run as Markdown, English and Chinese: approval summary and run note."""

from typing import Any

from sqlalchemy import Connection

from ml.core.format import percent
from ml.storage import model_versions, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import ModelVersion
from ml.storage.retrain_runs import RetrainRun

_ENDS = {
    "promoted": "Promoted · 已上线",
    "held": "Held by failed gates · 未通过上线检查",
    "rejected": "Rejected · 已驳回",
    "skipped": "Skipped · 已跳过",
    "running": "Not finished · 尚未完成",
}
_CHANGES = (
    "Shadow run · 影子运行: {same:,} of {photos:,} verdicts are the same · 判定一致; {changes}"
)


def closing_note(run_id: str, *, connections: Connections) -> str:
    """How the run ended and why, with the key figures; at most a few hundred characters."""
    run, version = in_transaction(connections.engine, lambda c: _load(c, run_id))
    lines: list[str] = [f"**{_ENDS[run.state]}**" + (f": {run.reason}" if run.reason else "")]
    if version is not None and version.evaluation:
        lines += ["", *_figures(version.evaluation)]
    if run.candidate_hash:
        lines += [
            "",
            f"Candidate 候选模型 `{run.candidate_hash[:12]}` · report 报告: tab Model report",
        ]
    return "\n".join(lines)


def approval_brief(
    run_id: str, shadow_difference: dict[str, Any] | None, *, connections: Connections
) -> str:
    """What an approver needs to know: metrics, gates, and which verdicts would change."""
    run, version = in_transaction(connections.engine, lambda c: _load(c, run_id))
    lines = ["Every gate passed · 上线检查全部通过", ""]
    if version is not None:
        lines += _figures(version.evaluation or {})
        lines += ["", "| gate 上线检查 | result 结果 |", "|---|---|"]
        lines += [f"| {g['name']} | {g['reason']} |" for g in (version.gates or [])]
    if shadow_difference is not None:
        pairs = shadow_difference["changes"].items()
        changes = ", ".join(f"{way} {count:,}" for way, count in pairs) or "none"
        lines += ["", _CHANGES.format(**{**shadow_difference, "changes": changes})]
        lines += [f"- {way}: {', '.join(keys)}" for way, keys in _samples(shadow_difference)]
    lines += [
        "",
        f"Candidate 候选模型 `{run.candidate_hash}`; rejected without an answer · 逾期自动驳回",
    ]
    return "\n".join(lines)


def _load(connection: Connection, run_id: str) -> tuple[RetrainRun, ModelVersion | None]:
    run = retrain_runs.load(connection, run_id)
    if run.candidate_hash is None:
        return run, None
    return run, model_versions.load_version(connection, run.candidate_hash)


def _figures(report: dict[str, Any]) -> list[str]:
    golden = (report.get("sets") or {}).get("golden")
    if not golden:
        return []
    candidate, champion = golden["candidate"], golden["champion"]
    lines = [
        f"| golden set 金标集 ({golden['photos']:,}) | candidate 候选模型 | champion 现役模型 |"
    ]
    lines += ["|---|---:|---:|"]
    figures: list[tuple[str, tuple[str, ...]]] = [
        ("accuracy 准确率", ("accuracy",)),
        ("leak rate 漏放率", ("verdicts", "leak_rate")),
        ("review rate 待人审率", ("verdicts", "review_rate")),
    ]
    figures += [(f"recall 召回率 {c}", ("per_class", c, "recall")) for c in candidate["per_class"]]
    for title, path in figures:
        lines.append(f"| {title} | {_share(candidate, path)} | {_share(champion, path)} |")
    return lines


def _share(report: dict[str, Any] | None, path: tuple[str, ...]) -> str:
    value: Any = report
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return percent(value)


def _samples(difference: dict[str, Any]) -> list[tuple[str, list[str]]]:
    # Keys may contain buyers' text: as code, so that Markdown in them is not rendered.
    return [
        (way, [f"`{key.replace('`', '')}`" for key in keys[:5]])
        for way, keys in difference["samples"].items()
    ]
