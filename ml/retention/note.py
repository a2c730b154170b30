"""What a run deleted, as Markdown in both languages, for the note on the run in the UI."""

from collections.abc import Sequence

from ml.retention.plan import Plan
from ml.retention.purging import Purged

_TITLES = {
    "verdicts": "verdicts 判定",
    "quarantine": "quarantine 隔离",
    "shadow_verdicts": "shadow verdicts 影子判定",
    "trainings": "training files 训练文件",
    "report_photos": "pictures in reports 报告缩略图",
    "kept_photos": "kept photos 留存照片",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def markdown(plan: Plan, results: Sequence[Purged]) -> str:
    """One line a kind: the policy's days, how many, how much."""
    title = "Dry run, nothing deleted · 演练，未删除" if plan.dry_run else "Deleted · 已删除"
    lines = [
        f"**{title}** (until 截至 {plan.cut_off.isoformat()})",
        "",
        "| | days 天 | items 数量 | size 大小 |",
        "|---|---:|---:|---:|",
    ]
    lines += [_line(purged) for purged in results]
    return "\n".join(lines)


def _line(purged: Purged) -> str:
    title = _TITLES[purged.kind]
    if purged.days is None:
        return f"| {title} | for ever 永久 | | |"
    return f"| {title} | {purged.days:,} | {purged.items:,} | {size(purged.bytes)} |"


def size(number: float) -> str:
    """Bytes for people, in powers of 1,024."""
    for unit in _UNITS[:-1]:
        if number < _STEP:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _STEP
    return f"{number:.1f} {_UNITS[-1]}"
