"""The nightly audit: photos of one window in, verdicts in the commerce database out; wiring."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import (
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
)

from ml.alerting.rules import Nights
from ml.policy.policy import load_policy
from moderation_airflow.deadline import night_deadline
from moderation_airflow.masked_settings import masked_settings
from moderation_airflow.model_place import model_place
from moderation_airflow.task_defaults import task_defaults
from moderation_airflow.webhook_notifier import WebhookNotifier

DOC = """
### Nightly audit of review photos · 晚间评论配图审核

**Healthy** when the last run is green: its `reconcile` proves that every listed photo was judged,
quarantined or already judged. The note on the run has the numbers.

| red task | means | do |
|---|---|---|
| `preflight` | database, bucket, model, policy or device | do what its last line says |
| `discover` | listing or ledger failed, nothing was written | clear it |
| `judge` | a shard failed for good; the others are written | mend the cause, clear the shard |
| `write_back` | commerce database | clear it |
| `reconcile` | photos unaccounted for, mostly a failed shard | the shard first, then `write_back` |

Clearing is always safe: every task can run twice. One photo that cannot be read never fails a run;
it is a row in `moderation.quarantine`. **Manual run:** give `window_start` and `window_end`, or
neither for the last complete night. **Missed nights:** within the look-back (7 days by default) the
next run picks them up by itself; older ones by a backfill. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
MODEL_PLACE = model_place(SETTINGS)
TOLD = WebhookNotifier()
START = pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone)
NIGHTS = Nights(SETTINGS.schedule, SETTINGS.timezone)
DEADLINE = NIGHTS.time_until_due(load_policy(SETTINGS.policy_file), after=START)


@dag(
    dag_id="audit_review_images",
    schedule=CronDataIntervalTimetable(SETTINGS.schedule, timezone=SETTINGS.timezone),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    deadline=[night_deadline(DEADLINE)],
    default_args=task_defaults(retry_seconds=SETTINGS.retry_seconds, told=TOLD),
    on_failure_callback=TOLD,
    params={
        "window_start": Param(
            None, type=["null", "string"], format="date-time", description="uploads from here on"
        ),
        "window_end": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="up to here, not included",
        ),
    },
    tags=["moderation", "nightly"],
    doc_md=DOC,
)
def audit_review_images() -> None:
    """Wire the steps of `ml.audit`."""

    @task(**MODEL_PLACE)
    def preflight() -> dict[str, str]:
        """Check database, buckets, policy, champion and device; fix the champion for this run."""
        from ml.audit import steps

        context = get_current_context()
        interval = (context.get("data_interval_start"), context.get("data_interval_end"))
        return steps.preflight(
            context["dag_run"].run_id,
            given=(context["params"]["window_start"], context["params"]["window_end"]),
            data_interval=interval if all(interval) else None,
            run_after=context["dag_run"].run_after,
        )

    @task(execution_timeout=timedelta(hours=2))
    def discover() -> list[dict[str, Any]]:
        """List the window's objects, join the commerce rows, write the ledger, cut shards."""
        from ml.audit import steps

        return steps.discover(get_current_context()["dag_run"].run_id)

    @task(
        execution_timeout=timedelta(hours=6),
        map_index_template="{{ shard_name }}",
        **MODEL_PLACE,
    )
    def judge(shard: dict[str, Any]) -> dict[str, int]:
        """Fetch, decode, score and decide one shard; goes on where a killed attempt stopped."""
        from ml.audit import steps

        name = (
            f"shard {shard['index'] + 1} · {shard['images']:,} photos · from {shard['first_key']}"
        )
        get_current_context()["shard_name"] = name
        return steps.judge(shard)

    # Runs when shards have failed, too: what was judged need not wait for the rest. And when there
    # was nothing to judge: a night without new photos is reconciled and reported like any other.
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def write_back() -> dict[str, int]:
        """Write verdicts to the commerce rows and open the review tasks."""
        from ml.audit import steps

        return steps.write_back(get_current_context()["dag_run"].run_id)

    @task
    def reconcile() -> dict[str, int]:
        """Fail unless listed = judged + quarantined + already judged."""
        from ml.audit import steps

        return steps.reconcile(get_current_context()["dag_run"].run_id)

    @task
    def report() -> dict[str, Any]:
        """Store the night's numbers and put them on the run as a note."""
        from ml.audit import steps
        from ml.audit.note import markdown
        from moderation_airflow.run_note import write_note

        run = get_current_context()["dag_run"]
        summary = steps.report(run.run_id)
        write_note(run.dag_id, run.run_id, markdown(summary))
        return summary

    shards = discover()
    judged = judge.expand(shard=shards)
    written = write_back()
    preflight() >> shards >> judged >> written >> reconcile() >> report()
    shards >> written


audit_review_images()
