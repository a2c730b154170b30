"""Run a night's steps in this process, as the DAG does in tasks."""

from typing import Any

from ml.audit.discover import discover
from ml.audit.judge import judge
from ml.audit.preflight import preflight
from ml.audit.reconcile import reconcile
from ml.audit.report import report
from ml.audit.window import Window
from ml.audit.write_back import write_back
from ml.storage.audit_runs import Shard
from tests.support.servers import Shop

LEFT_BY_A_NIGHT = (
    "verdict", "quarantine", "review_task", "audit_shard", "audit_image", "audit_run", "image",
)  # fmt: skip


def start(shop: Shop, run_id: str = "night", window: Window | None = None) -> list[Shard]:
    """Preflight and discover."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    preflight(run_id, window or shop.window, **parts)
    return discover(run_id, **parts)


def finish(shop: Shop, run_id: str = "night") -> dict[str, Any]:
    """Write back, reconcile, report."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    write_back(run_id, **parts)
    reconcile(run_id, **parts)
    return report(run_id, **parts)


def run_night(shop: Shop, run_id: str = "night", window: Window | None = None) -> dict[str, Any]:
    """A whole night."""
    for shard in start(shop, run_id, window):
        judge(shard, settings=shop.settings, connections=shop.connections)
    return finish(shop, run_id)


def wipe(shop: Shop) -> None:
    """Bring the shop to where it was before its first night; photos and model stay."""
    for name in LEFT_BY_A_NIGHT:
        shop.execute(f"delete from moderation.{name}")  # noqa: S608 - names from above
    shop.execute("update commerce.review_image set moderation_status='pending', moderated_at=null")


def snapshot(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    """All that a night leaves for others, without the ids of runs and the hour."""
    return {
        "verdict": shop.rows(
            "select content_sha256, model_hash, policy_version, decision, reasons, scores "
            "from moderation.verdict order by 1"
        ),
        "quarantine": shop.rows(
            "select object_key, etag, reason from moderation.quarantine "
            "where released_by is null order by 1, 2"
        ),
        "review_task": shop.rows(
            "select object_key, etag, state from moderation.review_task order by 1, 2"
        ),
        "commerce": shop.rows(
            "select object_key, moderation_status, moderated_at is null "
            "from commerce.review_image order by 1"
        ),
    }
