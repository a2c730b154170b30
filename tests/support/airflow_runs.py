"""DAG runs of a real Airflow: environment of the nightly DAG, trigger, wait."""

import time
from collections.abc import Callable

from devtools.local_stack.airflow_client import AirflowClient
from ml.core.window import Window
from tests.support.servers import Shop

AUDIT = "audit_review_images"
RUN_SECONDS = 900


def audit_variables(shop: Shop, *, shard_size: int) -> dict[str, str]:
    """Return the environment in which Airflow's tasks score the photos of a test's shop."""
    return {
        "MODERATION_POLICY_FILE": str(shop.settings.policy_file),
        "MODERATION_MODEL_BUCKET": shop.settings.model_bucket,
        "MODERATION_PHOTO_PREFIX": shop.settings.photo_prefix,
        "MODERATION_BATCH_SIZE": str(shop.settings.batch_size),
        "MODERATION_INFERENCE": shop.settings.inference,
        "MODERATION_NUMBER_TYPE": shop.settings.number_type,
        "MODERATION_SHARD_SIZE": str(shard_size),
        "MODERATION_RETRY_SECONDS": "1",
        # No scheduled run starts when the DAG is unpaused.
        "MODERATION_SCHEDULE": "0 0 29 2 *",
        "MODERATION_FETCH_THREADS": "4",
        "OMP_NUM_THREADS": "1",
    }


def trigger_audit(client: AirflowClient, run_id: str, window: Window) -> None:
    """Trigger the nightly DAG for a window."""
    client.unpause(AUDIT)
    conf = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    client.trigger(AUDIT, run_id, conf)


def count_settled(shop: Shop, run_id: str) -> int:
    """Count the photos of a run that have an outcome."""
    found = shop.rows(
        "select count(*) from moderation.audit_image where run_id = :r and outcome is not null",
        r=run_id,
    )
    return int(str(found[0][0]))


def wait_for_run(
    client: AirflowClient,
    dag_id: str,
    run_id: str,
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> str:
    """Wait until a run ends and return its state; `late` after RUN_SECONDS."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        state = str(client.run(dag_id, run_id)["state"])
        if state in ("success", "failed"):
            return state
        meanwhile()
        time.sleep(0.5)
    return "late"
