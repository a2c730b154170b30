"""The review queue over HTTP: claim, renew, release, decide and undo, as the user of the page."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Depends

from ml.core.errors import (
    LeaseLost,
    ModerationError,
    StatementCanceled,
    StorageForbidden,
    StorageFull,
    StorageUnavailable,
)
from ml.policy.schema import Policy
from moderation_ui.review.queue_page import Json, task_views
from moderation_ui.review.queue_requests import (
    ClaimBody,
    CountsBody,
    DecideBody,
    DecisionBody,
    ReleaseBody,
    TaskBody,
    TasksBody,
)
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.resources import Opened, RequiredPolicy, Resources, ShownPolicy

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
router = APIRouter(prefix="/api/queue", dependencies=[Depends(requires(PagePermission.REVIEW))])


@router.post("/claim")
def claim(body: ClaimBody, opened: Opened, policy: RequiredPolicy, user: UserName) -> Json:
    """Claim waiting tasks."""
    return {"tasks": _filtered(opened, lambda c: _claim(c, body, opened, policy, user))}


@router.get("/held")
def list_claimed(opened: Opened, policy: RequiredPolicy, user: UserName) -> Json:
    """The tasks that the user still holds, as after a reload."""
    from ml.storage.review_queue import list_claimed as load_claimed

    def work(connection: "Connection") -> list[Json]:
        ids = [task.task_id for task in load_claimed(connection, reviewer=user)]
        return task_views(connection, opened, policy, ids)

    return {"tasks": opened.transaction(work)}


@router.post("/renew")
def renew(body: TasksBody, opened: Opened, policy: ShownPolicy, user: UserName) -> Json:
    """Renew leases; the tasks that the answer omits are lost."""
    from ml.review.queue import renew_leases

    ids, lease = body.task_ids, policy.reviewing.lease_seconds
    renewed = opened.transaction(
        lambda c: renew_leases(c, reviewer=user, task_ids=ids, lease_seconds=lease)
    )
    return {"held": renewed}


@router.post("/release")
def release(body: ReleaseBody, opened: Opened, user: UserName) -> Json:
    """Give tasks back undecided."""
    from ml.review.queue import release_tasks

    ids = body.task_ids
    return {"released": opened.transaction(lambda c: release_tasks(c, reviewer=user, task_ids=ids))}


@router.post("/skip")
def skip(body: TaskBody, opened: Opened, user: UserName) -> Json:
    """Leave one task to others; a task whose photo is missing is closed: nobody can decide it."""
    from ml.review.queue import close_missing, photo_missing, skip_task

    max_bytes = opened.settings.max_image_bytes
    missing = photo_missing(opened.connections, body.task_id, max_bytes=max_bytes)
    act = close_missing if missing else skip_task
    opened.transaction(lambda c: act(c, reviewer=user, task_id=body.task_id))
    return {"missing": missing}


@router.post("/decide")
def decide(body: DecideBody, opened: Opened, policy: RequiredPolicy, user: UserName) -> Json:
    """Write decisions, each in a transaction of its own.

    Where database or storage fail, the whole request does; repeating it is idempotent.
    """
    return {"results": [_result(decision, opened, policy, user) for decision in body.decisions]}


@router.post("/undo")
def undo(body: TaskBody, opened: Opened, policy: RequiredPolicy, user: UserName) -> Json:
    """Undo the user's last decision; the task is theirs again, unless another reviewer has it."""
    return {"task": opened.transaction(lambda c: _undo(c, body.task_id, opened, policy, user))}


@router.post("/counts")
def counts(body: CountsBody, opened: Opened, policy: ShownPolicy) -> Json:
    """How many tasks wait, and for how long."""
    from ml.storage.review_queue import count_tasks

    commerce, filters = opened.connections.commerce, body.filters.for_library(policy)
    found = _filtered(opened, lambda c: count_tasks(c, commerce=commerce, filters=filters))
    oldest = None if found.oldest_age is None else found.oldest_age.total_seconds()
    return {"open": found.open_count, "claimed": found.claimed_count, "oldest_seconds": oldest}


def _claim(
    connection: "Connection", body: ClaimBody, opened: Resources, policy: Policy, user: str
) -> list[Json]:
    """The one place where a reviewer gets tasks, hidden golden ones among them."""
    from ml.review.golden_tasks import insert_golden_tasks
    from ml.review.queue import claim_tasks

    lease = policy.reviewing.lease_seconds
    tasks = claim_tasks(
        connection,
        reviewer=user,
        count=body.count,
        lease_seconds=lease,
        commerce=opened.connections.commerce,
        filters=body.filters.for_library(policy),
        order=body.order or policy.reviewing.order,
    )
    if body.filters.product_id is None:  # else a golden photo of another product stands out
        tasks = insert_golden_tasks(
            connection, tasks, reviewer=user, policy=policy, lease_seconds=lease
        )
    return task_views(connection, opened, policy, [task.task_id for task in tasks])


def _result(decision: DecisionBody, opened: Resources, policy: Policy, user: str) -> Json:
    result: Json = {"task_id": decision.task_id}
    try:
        opened.transaction(lambda c: _decide(c, decision, opened, policy, user))
    except (StorageForbidden, StorageUnavailable, StorageFull, StatementCanceled):
        raise  # the database fails, whatever was decided
    except ModerationError as error:
        code = "lease_lost" if isinstance(error, LeaseLost) else "refused"
        return result | {"ok": False, "error": code, "detail": str(error)}
    return result | {"ok": True}


def _decide(
    connection: "Connection", body: DecisionBody, opened: Resources, policy: Policy, user: str
) -> None:
    """The one place where a decision is written, with the blind second review it may open."""
    from ml.review.decide import ReviewerDecision, decide_task
    from ml.review.second_review import open_follow_ups

    decision = ReviewerDecision(body.task_id, body.label, user, body.category, body.note)
    decide_task(connection, decision, **_write_context(opened, policy), lease_holder=user)
    open_follow_ups(connection, body.task_id, policy=policy)


def _undo(
    connection: "Connection", task_id: int, opened: Resources, policy: Policy, user: str
) -> Json | None:
    from ml.review.undo import undo_decision
    from ml.storage.review_queue import reclaim_task

    reviewing, context = policy.reviewing, _write_context(opened, policy)
    within = timedelta(minutes=reviewing.undo_minutes)
    undo_decision(connection, task_id=task_id, reviewer=user, within=within, **context)
    lease = reviewing.lease_seconds
    if not reclaim_task(connection, reviewer=user, task_id=task_id, lease_seconds=lease):
        return None
    return task_views(connection, opened, policy, [task_id])[0]


def _write_context(opened: Resources, policy: Policy) -> dict[str, Any]:
    connections, settings = opened.connections, opened.settings
    return {"policy": policy, "commerce": connections.commerce, "names": settings.commerce}


def _filtered(opened: Resources, work: Callable[["Connection"], T]) -> T:
    """Work with filters; a product that the commerce column cannot hold is an invalid request."""
    from sqlalchemy.exc import DataError

    try:
        return opened.transaction(work)
    except DataError as error:
        raise ApiError(422, "invalid", "filters.product_id: no such product") from error
