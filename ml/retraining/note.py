"""What the month came to, in Markdown and both languages: for the approval and the run's note."""

from typing import Any

from sqlalchemy import select

from ml.connections import Connections
from ml.storage import retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import model_version

_ENDS = {
    "promoted": "Promoted · 已上线",
    "held": "Held by the gates · 未通过关卡",
    "rejected": "Rejected · 已拒绝",
    "skipped": "Skipped · 已跳过",
    "running": "Not finished · 未完成",
}
_CHANGES = "Shadow night · 影子夜审: {same:,} of {photos:,} verdicts the same; {changes}"


def closing_note(run_id: str, *, connections: Connections) -> str:
    """How the run ended and why, with the headline figures; at most a few hundred characters."""
    run, version = _load(run_id, connections)
    lines: list[str] = [f"**{_ENDS[run.state]}**" + (f": {run.reason}" if run.reason else "")]
    if version is not None and version["evaluation"]:
        lines += ["", *_figures(version["evaluation"])]
    if run.candidate_hash:
        lines += ["", f"Candidate 候选 `{run.candidate_hash[:12]}` · report 报告: tab Model report"]
    return "\n".join(lines)


def approval_brief(
    run_id: str, shadow_difference: dict[str, Any] | None, *, connections: Connections
) -> str:
    """What a person must know before saying yes: figures, gates, what would change."""
    run, version = _load(run_id, connections)
    lines = ["Every gate held · 全部关卡通过.", ""]
    if version is not None:
        lines += _figures(version["evaluation"] or {})
        lines += ["", "| gate 关卡 | |", "|---|---|"]
        lines += [f"| {g['name']} | {g['reason']} |" for g in (version["gates"] or [])]
    if shadow_difference is not None:
        pairs = shadow_difference["changes"].items()
        changes = ", ".join(f"{way} {count:,}" for way, count in pairs) or "none"
        lines += ["", _CHANGES.format(**{**shadow_difference, "changes": changes})]
        lines += [f"- {way}: {', '.join(keys)}" for way, keys in _samples(shadow_difference)]
    lines += [
        "",
        f"Candidate 候选 `{run.candidate_hash}`; no answer in time means no · 超时视为拒绝.",
    ]
    return "\n".join(lines)


def _load(run_id: str, connections: Connections) -> tuple[RetrainRun, Any]:
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    query = select(model_version).where(model_version.c.model_hash == run.candidate_hash)
    version = in_transaction(connections.engine, lambda c: c.execute(query).mappings().first())
    return run, version


def _figures(report: dict[str, Any]) -> list[str]:
    golden = (report.get("sets") or {}).get("golden")
    if not golden:
        return []
    candidate, champion = golden["candidate"], golden["champion"]
    lines = [f"| golden set 金标集 ({golden['photos']:,}) | candidate 候选 | champion 现役 |"]
    lines += ["|---|---:|---:|"]
    figures: list[tuple[str, tuple[str, ...]]] = [
        ("accuracy 准确率", ("accuracy",)),
        ("leak 漏放率", ("verdicts", "leak_rate")),
        ("review 待审率", ("verdicts", "review_rate")),
    ]
    figures += [(f"recall 召回 {c}", ("per_class", c, "recall")) for c in candidate["per_class"]]
    for title, path in figures:
        lines.append(f"| {title} | {_share(candidate, path)} | {_share(champion, path)} |")
    return lines


def _share(report: dict[str, Any] | None, path: tuple[str, ...]) -> str:
    value: Any = report
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return "–" if value is None else f"{value:.1%}"


def _samples(difference: dict[str, Any]) -> list[tuple[str, list[str]]]:
    # Keys are the buyers' words: as code, so that Markdown in them stays text.
    return [
        (way, [f"`{key.replace('`', '')}`" for key in keys[:5]])
        for way, keys in difference["samples"].items()
    ]
