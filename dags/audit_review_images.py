"""Nightly audit: score the photos of one window, write the verdicts back; wiring."""

from datetime import timedelta
from types import ModuleType
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ml.core.errors import QuarantineShareExceeded
from ml.operations.alerting.rules import RunSchedule
from moderation_airflow.alerts import WebhookNotifier
from moderation_airflow.assets import (
    CHAMPION,
    LABELS,
    UPLOADS,
    VERDICTS,
    describe_event,
    nightly_schedule,
)
from moderation_airflow.steps import run_step
from moderation_airflow.task_defaults import (
    dag_defaults,
    load_alert_rules,
    masked_settings,
    run_deadline,
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
| `publish_labels` | database failed; announces the day's labels to other DAGs | clear it |
| `score_shard` | a shard failed, the others are written | fix the cause, clear the shard |
| `write_back` | commerce database failed | clear it |
| `reconcile` | photos unaccounted for, mostly a failed shard | clear the shard, then `write_back` |
| `report` | too many photos are quarantined; all is written | look at the reasons |

Clearing a task is always safe: every task is idempotent. An unreadable photo never fails a run; it
becomes a row of `moderation.quarantine`. **Manual run · 手动运行:** set `window_start` and
`window_end`, or neither for the last complete window. **Missed runs · 补跑:** the next run covers
the lookback (7 days by default); use a backfill for older windows. More: `docs/runbook.md`.
"""

SETTINGS = masked_settings()
DEFAULTS = dag_defaults(SETTINGS, WebhookNotifier())
MODEL_PLACE = task_placement(SETTINGS)
RUN_SCHEDULE = RunSchedule(SETTINGS.schedule, SETTINGS.timezone)
DEADLINE = RUN_SCHEDULE.time_until_due(load_alert_rules(SETTINGS), after=DEFAULTS["start_date"])
WINDOW_TIME = {"type": ["null", "string"], "format": "date-time"}


def _steps() -> ModuleType:
    """The steps, imported when a task runs: parsing this file must not wait for them."""
    from ml.moderation.nightly import steps

    return steps


def _run_id() -> str:
    return str(get_current_context()["dag_run"].run_id)


@task(**MODEL_PLACE)
def preflight() -> dict[str, str]:
    """Check database, buckets, policy, champion and device; fix the champion for this run."""
    context = get_current_context()
    interval = (context.get("data_interval_start"), context.get("data_interval_end"))
    return run_step(
        _steps().preflight,
        _run_id(),
        requested=(context["params"]["window_start"], context["params"]["window_end"]),
        data_interval=interval if all(interval) else None,
        run_after=context["dag_run"].run_after,
        by_uploads=context["dag_run"].run_type == "asset_triggered",
    )


@task(execution_timeout=timedelta(hours=2), **MODEL_PLACE)
def remember_decisions() -> dict[str, int]:
    """Compute the features of newly decided photos, which this run compares its photos with."""
    return run_step(_steps().remember_decisions, _run_id())


@task(outlets=[LABELS])
def publish_labels() -> dict[str, Any]:
    """Announce how many labels reviewers gave in the window; skipped where there are none."""
    if get_current_context()["dag_run"].run_type == "asset_triggered":
        raise AirflowSkipException("the scheduled run announces the labels of the whole day")
    counted = run_step(_steps().count_labels, _run_id())
    if not counted["labels"]:
        raise AirflowSkipException("no labels in the window of this run")
    describe_event(LABELS, {"run_id": _run_id(), **counted})
    return counted


@task(execution_timeout=timedelta(hours=2), inlets=[UPLOADS])
def discover() -> list[dict[str, Any]]:
    """List the objects of the window, join the commerce rows, write the ledger, cut shards."""
    return run_step(_steps().discover, _run_id())


@task(
    execution_timeout=timedelta(hours=6),
    map_index_template="{{ shard_name }}",
    inlets=[CHAMPION],
    **MODEL_PLACE,
)
def score_shard(shard: dict[str, Any]) -> dict[str, int]:
    """Fetch, decode, score and decide one shard; resumes where a killed attempt stopped."""
    name = f"shard {shard['index'] + 1} · {shard['images']:,} photos · from {shard['first_key']}"
    get_current_context()["shard_name"] = name
    return run_step(_steps().score_shard, shard)


# Runs after failed shards, too: verdicts of the other shards need not wait. Also when there was
# nothing to score: a window without new photos is reconciled and reported like any other.
@task(trigger_rule=TriggerRule.ALL_DONE)
def write_back() -> dict[str, int]:
    """Write verdicts to the commerce rows and open the review tasks."""
    return run_step(_steps().write_back, _run_id())


@task(outlets=[VERDICTS])
def reconcile() -> dict[str, int]:
    """Fail unless listed = judged + quarantined + already judged; else announce the verdicts."""
    counts: dict[str, int] = run_step(_steps().reconcile, _run_id())
    describe_event(VERDICTS, {"run_id": _run_id(), "photos": counts})
    return counts


@task
def report() -> dict[str, Any]:
    """Store the report of the run, write it on the run as a note, check the quarantined share."""
    from ml.moderation.nightly.run_note import markdown
    from ml.operations.monitoring.run_summary import send_run_gauges
    from moderation_airflow.runs import write_note

    summary = run_step(_steps().report, _run_id())
    send_run_gauges(summary)
    write_note("audit_review_images", _run_id(), markdown(summary))
    try:
        run_step(_steps().check_quarantine, _run_id(), summary)
    except QuarantineShareExceeded as error:  # a retry would not change it
        raise AirflowFailException(str(error)) from error
    return summary


@dag(
    dag_id="audit_review_images",
    schedule=nightly_schedule(SETTINGS),
    dagrun_timeout=timedelta(hours=12),
    deadline=[run_deadline(DEADLINE)],
    params={
        "window_start": Param(None, **WINDOW_TIME, description="start of the upload window"),
        "window_end": Param(None, **WINDOW_TIME, description="end of the window, exclusive"),
    },
    tags=["moderation", "nightly"],
    doc_md=DOC,
    **DEFAULTS,
)
def audit_review_images() -> None:
    """Wire the steps of `ml.moderation.nightly`."""
    shards = discover()
    scored = score_shard.expand(shard=shards)
    written = write_back()
    begun = preflight()
    begun >> remember_decisions() >> scored
    begun >> publish_labels()
    begun >> shards >> scored >> written >> reconcile() >> report()
    shards >> written


audit_review_images()
