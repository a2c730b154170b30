"""Steps of `purge_expired` for a workflow: plain types, and settings or the environment's."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from ml.core.format import file_size
from ml.core.settings import Settings, load_settings
from ml.operations.retention.archived_photos import purge_archived_photos
from ml.operations.retention.expired_files import purge_report_photos, purge_training_artifacts
from ml.operations.retention.expired_rows import (
    purge_quarantine,
    purge_shadow_verdicts,
    purge_verdicts,
)
from ml.operations.retention.purge import Plan, Purged, Purging
from ml.policy.operations import Retention
from ml.policy.schema import load_policy
from ml.storage.connections import Connections, task_context


class Kind(NamedTuple):
    """A kind of data: its title in both languages, its days by the policy, and its purge."""

    title: str
    days: Callable[[Retention], int | None]
    purge: Callable[[Purging], None]


KINDS = {
    "verdicts": Kind("verdicts 判定", lambda r: r.verdict_days, purge_verdicts),
    "quarantine": Kind("quarantine 隔离记录", lambda r: r.quarantine_days, purge_quarantine),
    "shadow_verdicts": Kind(
        "shadow verdicts 影子判定", lambda r: r.shadow_verdict_days, purge_shadow_verdicts
    ),
    "training_artifacts": Kind(
        "training artifacts 训练文件", lambda r: r.training_artifact_days, purge_training_artifacts
    ),
    "report_photos": Kind(
        "report thumbnails 报告缩略图", lambda r: r.report_photo_days, purge_report_photos
    ),
    "archived_photos": Kind(
        "archived photos 存档图片", lambda r: r.archived_photo_days, purge_archived_photos
    ),
}


def plan(
    run_id: str,
    *,
    interval_end: datetime | None,
    run_after: datetime,
    dry_run: bool | None,
    manual: bool,
) -> dict[str, Any]:
    """The plan of a run by the policy that is in force now.

    The cutoff is `interval_end`, or `run_after` without a data interval. Unless `dry_run` says
    otherwise, a manual run only counts and a scheduled one deletes.

    Raises:
        PolicyError: the policy file cannot be used.
    """
    made = Plan(
        run_id=run_id,
        cutoff=interval_end or run_after,
        dry_run=manual if dry_run is None else dry_run,
        retention=load_policy(load_settings().policy_file).retention,
    )
    return made.model_dump(mode="json")


def purge(
    kind: str, planned: dict[str, Any], *, settings: Settings | None = None
) -> dict[str, Any]:
    """Delete one kind as planned; a retry after a kill continues."""
    with task_context(settings) as (loaded, connections):
        return asdict(purge_kind(kind, Plan.model_validate(planned), connections, loaded))


def purge_kind(name: str, plan: Plan, connections: Connections, settings: Settings) -> Purged:
    """Delete one kind; nothing where the policy names no days."""
    kind = KINDS[name]
    days = kind.days(plan.retention)
    if days is None:
        return Purged(name, None)
    purging = Purging(name, days, plan, connections, settings)
    kind.purge(purging)
    return purging.purged()


def note(planned: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """The note on the run, Markdown in both languages: days, number of items and size by kind."""
    plan = Plan.model_validate(planned)
    title = "Dry run, nothing deleted · 试运行，未删除" if plan.dry_run else "Deleted · 已删除"
    lines = [
        f"**{title}** (until 截至 {plan.cutoff.isoformat()})",
        "",
        "| | days 天 | items 数量 | size 大小 |",
        "|---|---:|---:|---:|",
    ]
    return "\n".join([*lines, *(_line(Purged(**result)) for result in results)])


def _line(purged: Purged) -> str:
    title = KINDS[purged.kind].title
    if purged.days is None:
        return f"| {title} | forever 永久保留 | | |"
    return f"| {title} | {purged.days:,} | {purged.items:,} | {file_size(purged.bytes)} |"
