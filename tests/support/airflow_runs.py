"""Runs of a real Airflow: the audit's settings in its environment, triggering, waiting."""

import time
from collections.abc import Callable

from ml.audit.window import Window
from stack.airflow_client import Client
from tests.support.servers import Shop

AUDIT = "audit_review_images"
RUN_SECONDS = 400


def audit_variables(shop: Shop, *, shard_images: int) -> dict[str, str]:
    """Environment in which Airflow's tasks judge the photos of a test's shop."""
    return {
        "MODERATION_POLICY_FILE": str(shop.settings.policy_file),
        "MODERATION_PHOTO_PREFIX": shop.settings.photo_prefix,
        "MODERATION_BATCH_IMAGES": str(shop.settings.batch_images),
        "MODERATION_SHARD_IMAGES": str(shard_images),
        "MODERATION_RETRY_SECONDS": "1",
        # No night of its own comes first when the DAG is switched on.
        "MODERATION_SCHEDULE": "0 0 29 2 *",
        "MODERATION_FETCH_THREADS": "4",
        "OMP_NUM_THREADS": "1",
    }


def trigger_audit(client: Client, run_id: str, window: Window) -> None:
    """Start a run of the audit for a window."""
    client.unpause(AUDIT)
    given = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    client.trigger(AUDIT, run_id, given)


def settled(shop: Shop, run_id: str) -> int:
    """How many photos of a run have an outcome by now."""
    found = shop.rows(
        "select count(*) from moderation.audit_image where run_id = :r and outcome is not null",
        r=run_id,
    )
    return int(str(found[0][0]))


def wait(
    client: Client, dag_id: str, run_id: str, *, meanwhile: Callable[[], object] = lambda: None
) -> str:
    """The state that a run ends in; `late` after RUN_SECONDS."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        state = str(client.run(dag_id, run_id)["state"])
        if state in ("success", "failed"):
            return state
        meanwhile()
        time.sleep(0.5)
    return "late"
