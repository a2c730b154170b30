"""Run the steps of the nightly run in this process, as the DAG does in tasks."""

import os
from typing import Any

from ml.core.types import Shard
from ml.core.window import Window
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.remember_decisions import remember_decisions
from ml.moderation.nightly.report import report
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from tests.support.servers import Shop

RESULT_TABLES = (
    "verdict", "quarantine", "review_task", "audit_shard", "audit_image", "audit_run", "image",
)  # fmt: skip


def step_environment(shop: Shop) -> dict[str, str]:
    """Environment of a process that runs a step (`ml.moderation.nightly.steps`)."""
    settings = shop.settings
    secrets = {
        "DATABASE_URL": settings.database_url,
        "S3_ACCESS_KEY": settings.s3_access_key,
        "S3_SECRET_KEY": settings.s3_secret_key,
    }
    plain = {
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "PHOTO_PREFIX": settings.photo_prefix,
        "DATA_DIR": settings.data_dir,
        "BATCH_SIZE": 8,
        "INFERENCE": settings.inference,
        "NUMBER_TYPE": settings.number_type,
    }
    values = {name: secret.get_secret_value() for name, secret in secrets.items() if secret} | plain
    return os.environ | {f"MODERATION_{name}": str(value) for name, value in values.items()}


def start_run(shop: Shop, run_id: str = "night", window: Window | None = None) -> list[Shard]:
    """Run preflight, remember_decisions and discover; return the shards."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    preflight(run_id, window or shop.window, **parts)
    remember_decisions(run_id, **parts)
    return discover(run_id, **parts)


def finish_run(shop: Shop, run_id: str = "night") -> dict[str, Any]:
    """Run write_back, reconcile and report; return the report."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    write_back(run_id, **parts)
    reconcile(run_id, **parts)
    return report(run_id, **parts)


def run_nightly(shop: Shop, run_id: str = "night", window: Window | None = None) -> dict[str, Any]:
    """Run a whole nightly run; return its report."""
    for shard in start_run(shop, run_id, window):
        score_shard(shard, settings=shop.settings, connections=shop.connections)
    return finish_run(shop, run_id)


def delete_results(shop: Shop) -> None:
    """Delete the results of all nightly runs; keep photos and model."""
    for name in RESULT_TABLES:
        shop.execute(f"delete from moderation.{name}")  # noqa: S608 - names from above
    shop.execute("update commerce.review_image set moderation_status='pending', moderated_at=null")


def dump_results(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    """Return the results of nightly runs without run ids and times, for comparison."""
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
