"""Nightly audit: judge the photos of one window, write the verdicts back; wiring."""

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

from ml.operations.alerting.rules import RunSchedule
from ml.policy.schema import load_policy
from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.task_defaults import (
    masked_settings,
    run_deadline,
    task_defaults,
    task_placement,
)

DOC = """
### Nightly audit of review photos · 评论配图夜间审核

**Healthy · 正常**: the last run is green. Its task `reconcile` proves that every listed photo was
judged, quarantined or already judged. The note on the run has the numbers.

每晚审核一个上传时段的图片并写回判定。绿色即正常：发现 = 已判定 + 已隔离 + 此前已判定。
数字见运行备注。

| failed task · 失败任务 | cause · 原因 | what to do · 处理 |
|---|---|---|
| `preflight` | database, bucket, model, policy or device | follow the last line of its log |
| `discover` | listing or ledger failed; nothing was written | clear it |
| `score_shard` | a shard failed, the others are written | fix the cause, clear the shard |
| `write_back` | commerce database failed | clear it |
| `reconcile` | photos unaccounted for, mostly a failed shard | clear the shard, then `write_back` |

Clearing a task is always safe: every task is idempotent. An unreadable photo never fails a run; it
becomes a row of `moderation.quarantine`. **Manual run · 手动运行:** set `window_start` and
`window_end`, or neither for the last complete window. **Missed runs · 补跑:** the next run covers
the lookback (7 days by default); use a backfill for older windows. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
MODEL_PLACE = task_placement(SETTINGS)
NOTIFIER = WebhookNotifier()
START = pendulum.datetime(2026, 1, 1, tz=SETTINGS.timezone)
RUN_SCHEDULE = RunSchedule(SETTINGS.schedule, SETTINGS.timezone)
DEADLINE = RUN_SCHEDULE.time_until_due(load_policy(SETTINGS.policy_file), after=START)


@dag(
    dag_id="audit_review_images",
    schedule=CronDataIntervalTimetable(SETTINGS.schedule, timezone=SETTINGS.timezone),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    deadline=[run_deadline(DEADLINE)],
    default_args=task_defaults(retry_seconds=SETTINGS.retry_seconds, notifier=NOTIFIER),
    on_failure_callback=NOTIFIER,
    params={
        "window_start": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="start of the upload window",
        ),
        "window_end": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="end of the upload window, exclusive",
        ),
    },
    tags=["moderation", "nightly"],
    doc_md=DOC,
)
def audit_review_images() -> None:
    """Wire the steps of `ml.moderation.nightly`."""

    @task(**MODEL_PLACE)
    def preflight() -> dict[str, str]:
        """Check database, buckets, policy, champion and device; fix the champion for this run."""
        from ml.moderation.nightly import steps

        context = get_current_context()
        interval = (context.get("data_interval_start"), context.get("data_interval_end"))
        return steps.preflight(
            context["dag_run"].run_id,
            requested=(context["params"]["window_start"], context["params"]["window_end"]),
            data_interval=interval if all(interval) else None,
            run_after=context["dag_run"].run_after,
        )

    @task(execution_timeout=timedelta(hours=2))
    def discover() -> list[dict[str, Any]]:
        """List the objects of the window, join the commerce rows, write the ledger, cut shards."""
        from ml.moderation.nightly import steps

        return steps.discover(get_current_context()["dag_run"].run_id)

    @task(
        execution_timeout=timedelta(hours=6),
        map_index_template="{{ shard_name }}",
        **MODEL_PLACE,
    )
    def score_shard(shard: dict[str, Any]) -> dict[str, int]:
        """Fetch, decode, score and decide one shard; resumes where a killed attempt stopped."""
        from ml.moderation.nightly import steps

        name = (
            f"shard {shard['index'] + 1} · {shard['images']:,} photos · from {shard['first_key']}"
        )
        get_current_context()["shard_name"] = name
        return steps.score_shard(shard)

    # Runs after failed shards, too: verdicts of the other shards need not wait. Also when there was
    # nothing to judge: a window without new photos is reconciled and reported like any other.
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def write_back() -> dict[str, int]:
        """Write verdicts to the commerce rows and open the review tasks."""
        from ml.moderation.nightly import steps

        return steps.write_back(get_current_context()["dag_run"].run_id)

    @task
    def reconcile() -> dict[str, int]:
        """Fail unless listed = judged + quarantined + already judged."""
        from ml.moderation.nightly import steps

        return steps.reconcile(get_current_context()["dag_run"].run_id)

    @task
    def report() -> dict[str, Any]:
        """Store the report of the run and write it on the run as a note."""
        from ml.moderation.nightly import steps
        from ml.moderation.nightly.run_note import markdown
        from ml.operations.monitoring.run_summary import send_run_gauges
        from moderation_airflow.runs import write_note

        run = get_current_context()["dag_run"]
        summary = steps.report(run.run_id)
        send_run_gauges(summary)
        write_note(run.dag_id, run.run_id, markdown(summary))
        return summary

    shards = discover()
    scored = score_shard.expand(shard=shards)
    written = write_back()
    preflight() >> shards >> scored >> written >> reconcile() >> report()
    shards >> written


audit_review_images()
