"""What a purge run deleted, as Markdown, English and Chinese, for the note on the run in the UI."""

from collections.abc import Sequence

from ml.core.format import file_size
from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged

_TITLES = {
    "verdicts": "verdicts 判定",
    "quarantine": "quarantine 隔离记录",
    "shadow_verdicts": "shadow verdicts 影子判定",
    "training_artifacts": "training artifacts 训练文件",
    "report_photos": "report thumbnails 报告缩略图",
    "archived_photos": "archived photos 存档图片",
}


def markdown(plan: Plan, results: Sequence[Purged]) -> str:
    """One line per kind: retention days, number of items, size."""
    title = "Dry run, nothing deleted · 试运行，未删除" if plan.dry_run else "Deleted · 已删除"
    lines = [
        f"**{title}** (until 截至 {plan.cutoff.isoformat()})",
        "",
        "| | days 天 | items 数量 | size 大小 |",
        "|---|---:|---:|---:|",
    ]
    lines += [_line(purged) for purged in results]
    return "\n".join(lines)


def _line(purged: Purged) -> str:
    title = _TITLES[purged.kind]
    if purged.days is None:
        return f"| {title} | forever 永久保留 | | |"
    return f"| {title} | {purged.days:,} | {purged.items:,} | {file_size(purged.bytes)} |"
