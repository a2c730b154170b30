"""What reviewers, pages, retraining and retention ask of a database of years."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice

from sqlalchemy import Connection

from benchmarks.two_years_nightly_run import PAGE, NightlyRun
from benchmarks.two_years_rows import DAY
from ml.operations.alerting.signals import collect_signals
from ml.operations.monitoring.drift import drift_of
from ml.operations.monitoring.photo_timeline import photo_timeline
from ml.operations.monitoring.queue_forecast import throughput
from ml.operations.monitoring.run_summary import find_run
from ml.operations.monitoring.shadow_comparison import shadow_of
from ml.operations.monitoring.trend import runs_until
from ml.operations.retention.purge import Plan
from ml.operations.retention.steps import purge_kind
from ml.policy.operations import Retention
from ml.policy.schema import Policy, load_policy
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.golden_tasks import insert_golden_tasks
from ml.review.queue import claim_tasks, skip_task
from ml.review.reviewer_stats import reviewer_report
from ml.review.second_review import (
    appeal_decision,
    appeal_photo,
    load_appeal_states,
    open_follow_ups,
)
from ml.review.task_explanation import SimilarDecisions, explain_task
from ml.review.task_view import load_task_views
from ml.review.undo import undo_decision
from ml.storage import activity_log, photo_archive
from ml.storage.database import in_transaction
from ml.storage.label_issues import double_reviewed
from ml.storage.labels import resolve_labels
from ml.storage.leak_estimates import list_leaked_photos
from ml.storage.purge import list_expired_photos
from ml.storage.read.run_photos import PhotoFilter, list_run_photos
from ml.storage.review_queue import count_tasks, list_claimed
from ml.storage.task_filters import Filters

CLAIMED = 20
LEASE_SECONDS = 300.0
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_FILTERS = (
    Filters(),
    Filters(reasons=("low_confidence",)),
    Filters(category="violate"),
    Filters(since=LONG_AGO),
    Filters(until=LONG_AGO),
    Filters(product_id="17"),
    Filters(kind="second_review"),
)


def reviews(nightly_run: NightlyRun, *, newest: int = 100_000) -> None:
    """Reviewers count and claim by each filter, decide, undo, skip and appeal.

    `newest` labels are read for similar photos.
    """
    engine = nightly_run.connections.engine
    for filters in _FILTERS:
        in_transaction(engine, _count_and_claim, nightly_run, filters)
    policy, similar = load_policy(nightly_run.settings.policy_file), SimilarDecisions(newest)
    for reviewer in ("reviewer-1", "reviewer-2"):
        task_ids = in_transaction(engine, _claim, nightly_run, policy, reviewer)
        in_transaction(engine, _view, nightly_run, policy, similar, task_ids)
        for task_id in task_ids[1:]:
            in_transaction(engine, _decide, nightly_run, policy, reviewer, task_id)
        in_transaction(engine, _undo, nightly_run, policy, reviewer, task_ids[-1])
        in_transaction(
            engine,
            lambda c, r=reviewer, t=task_ids[0]: skip_task(c, reviewer=r, task_id=t),  # type: ignore[misc]  # mypy cannot type a lambda's default
        )
    key = nightly_run.listing.new_objects()[2].key
    in_transaction(engine, lambda c: appeal_photo(c, key, reason="mine", by="eve"))
    decided = next(nightly_run.listing.old.reviewed())
    in_transaction(engine, lambda c: load_appeal_states(c, [decided]))
    # A photo that passed has no task yet.
    passed = sha256(nightly_run.listing.new_objects()[3].key.encode()).hexdigest()
    for content in (decided, passed):
        in_transaction(
            engine,
            lambda c, photo=content: appeal_decision(c, photo, reason="no", by="eve"),  # type: ignore[misc]  # as above
        )


def _count_and_claim(connection: Connection, nightly_run: NightlyRun, filters: Filters) -> None:
    commerce = nightly_run.connections.commerce
    count_tasks(connection, commerce=commerce, filters=filters)
    for order in ("priority", "oldest"):
        claim_tasks(
            connection,
            reviewer="eve",
            count=CLAIMED,
            lease_seconds=0,
            commerce=commerce,
            filters=filters,
            order=order,
        )


def _claim(
    connection: Connection, nightly_run: NightlyRun, policy: Policy, reviewer: str
) -> list[int]:
    tasks = claim_tasks(
        connection,
        reviewer=reviewer,
        count=CLAIMED,
        lease_seconds=LEASE_SECONDS,
        commerce=nightly_run.connections.commerce,
    )
    insert_golden_tasks(
        connection, tasks, reviewer=reviewer, policy=policy, lease_seconds=LEASE_SECONDS
    )
    list_claimed(connection, reviewer=reviewer)
    return [task.task_id for task in tasks]


def _view(
    connection: Connection,
    nightly_run: NightlyRun,
    policy: Policy,
    similar: SimilarDecisions,
    task_ids: list[int],
) -> None:
    load_task_views(connection, task_ids, policy=policy, commerce=nightly_run.connections.commerce)
    for task_id in task_ids:
        explain_task(connection, task_id, policy=policy, decided=similar)


def _decide(
    connection: Connection, nightly_run: NightlyRun, policy: Policy, reviewer: str, task_id: int
) -> None:
    decide_task(
        connection,
        ReviewerDecision(task_id, "violate", reviewer),
        policy=policy,
        commerce=nightly_run.connections.commerce,
        names=nightly_run.settings.commerce,
        lease_holder=reviewer,
    )
    open_follow_ups(connection, task_id, policy=policy)


def _undo(
    connection: Connection, nightly_run: NightlyRun, policy: Policy, reviewer: str, task_id: int
) -> None:
    undo_decision(
        connection,
        task_id=task_id,
        reviewer=reviewer,
        within=timedelta(minutes=30),
        policy=policy,
        commerce=nightly_run.connections.commerce,
        names=nightly_run.settings.commerce,
    )


def pages(nightly_run: NightlyRun) -> None:
    """The pages of operations and reviewers, and the alert rules."""
    engine = nightly_run.connections.engine
    for work in (_operations_page, _run_photos, _reviewers_page, _alert_rules):
        in_transaction(engine, work, nightly_run)


def _operations_page(connection: Connection, nightly_run: NightlyRun) -> None:
    run = find_run(connection)
    if run is not None:
        runs_until(connection, run)
        drift_of(connection, run)
        shadow_of(connection, run)
    throughput(connection)
    list_leaked_photos(connection, since=nightly_run.window.end - 366 * DAY, violations=["violate"])
    key = nightly_run.listing.new_objects()[0].key
    photo_timeline(connection, key, viewer="eve", commerce=nightly_run.connections.commerce)


def _run_photos(connection: Connection, nightly_run: NightlyRun) -> None:
    for outcome in (None, "quarantined", "undecided"):
        list_run_photos(connection, PhotoFilter(nightly_run.run_id, outcome=outcome))
    list_run_photos(connection, PhotoFilter(nightly_run.run_id, decision="review"))
    list_run_photos(connection, PhotoFilter(nightly_run.run_id, reason="violation:violate"))


def _reviewers_page(connection: Connection, nightly_run: NightlyRun) -> None:
    until = nightly_run.window.end + DAY
    reviewer_report(connection, since=until - 30 * DAY, until=until, zone="UTC")
    activity_log.log_page(connection, actor="reviewer-1")
    activity_log.log_page(connection)
    activity_log.actors(connection, since=until - 30 * DAY)


def _alert_rules(connection: Connection, nightly_run: NightlyRun) -> None:
    collect_signals(
        connection,
        now=nightly_run.window.end,
        policy=load_policy(nightly_run.settings.policy_file),
        timezone="UTC",
    )


def retraining(nightly_run: NightlyRun) -> None:
    """The labels and archived photos of a monthly retraining run."""

    def read(connection: Connection) -> None:
        labels = resolve_labels(connection, as_of=nightly_run.window.end + DAY)
        contents = [label.content_sha256 for label in labels]
        photo_archive.load(connection, contents)
        missing = contents[:PAGE]
        photo_archive.expired(connection, missing)
        photo_archive.find_objects(connection, missing)
        double_reviewed(connection, nightly_run.window.end)

    in_transaction(nightly_run.connections.engine, read)


def retention(nightly_run: NightlyRun) -> None:
    """A purge of rows older than 400 days, and the archived photos of a page that are."""
    kinds = ("verdicts", "quarantine", "shadow_verdicts")
    days = dict.fromkeys(("verdict_days", "quarantine_days", "shadow_verdict_days"), 400)
    cutoff = nightly_run.window.end
    plan = Plan(run_id="purge", cutoff=cutoff, dry_run=False, retention=Retention(**days))
    for kind in kinds:
        purge_kind(kind, plan, nightly_run.connections, nightly_run.settings)

    def archived(connection: Connection) -> None:
        page = list(islice(nightly_run.listing.old.reviewed(), PAGE))
        list_expired_photos(connection, page, cutoff - timedelta(days=400))

    in_transaction(nightly_run.connections.engine, archived)
