"""The review queue over HTTP: claim, keep, give back, decide and undo, as the user of the page."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, Field

from ml.core.errors import LeaseLost, ModerationError, StorageForbidden, StorageUnavailable
from moderation_ui.review.task_api import Json, task_views
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.request_types import JsonBody, Note, TaskId, TaskIds, Word
from moderation_ui.web.resources import Resources, resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ml.storage.task_filters import Filters

T = TypeVar("T")
router = APIRouter(prefix="/api/queue", dependencies=[Depends(requires(PagePermission.REVIEW))])
Opened = Annotated[Resources, Depends(resources)]


class FiltersBody(JsonBody):
    """What the page shows tasks of; None asks for nothing."""

    reasons: Annotated[list[Word], Field(max_length=50)] | None = None
    category: Word | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    product_id: Word | None = None

    def for_library(self) -> "Filters":
        """The library's filters; what would tell hidden tasks from others finds nothing."""
        from ml.review.task_view import REVEALING_REASONS
        from ml.storage.task_filters import Filters

        values = self.model_dump()
        if self.reasons is not None:
            values["reasons"] = tuple(r for r in self.reasons if r not in REVEALING_REASONS)
        return Filters(**values)


class ClaimBody(JsonBody):
    """A claim; `order` None is the policy's."""

    count: Annotated[int, Field(ge=1, le=50)] = 1
    order: Literal["priority", "oldest"] | None = None
    filters: FiltersBody = FiltersBody()


class TasksBody(JsonBody):
    """Some tasks."""

    task_ids: TaskIds


class ReleaseBody(JsonBody):
    """Some tasks, or all that are held."""

    task_ids: TaskIds | None = None


class TaskBody(JsonBody):
    """One task."""

    task_id: TaskId


class CountsBody(JsonBody):
    """What to count."""

    filters: FiltersBody = FiltersBody()


class DecisionBody(JsonBody):
    """What the reviewer says of one task."""

    task_id: TaskId
    label: Word
    category: Word | None = None
    note: Note = ""


class DecideBody(JsonBody):
    """Some decisions, each carried out or refused on its own."""

    decisions: Annotated[list[DecisionBody], Field(min_length=1, max_length=50)]


@router.post("/claim")
def claim(body: ClaimBody, opened: Opened, user: UserName) -> Json:
    """Take waiting tasks."""
    return {"tasks": _filtered(opened, lambda c: _claimed(c, body, opened, user))}


@router.get("/held")
def list_claimed(opened: Opened, user: UserName) -> Json:
    """What is still the user's, as after a reload."""
    from ml.storage.review_queue import list_claimed as load_claimed

    def work(connection: "Connection") -> list[Json]:
        tasks = load_claimed(connection, reviewer=user)
        return task_views(connection, opened, [task.task_id for task in tasks])

    return {"tasks": opened.transaction(work)}


@router.post("/renew")
def renew(body: TasksBody, opened: Opened, user: UserName) -> Json:
    """Prolong leases; what is missing from the answer is lost."""
    from ml.review.queue import renew_leases

    lease = opened.policy.reviewing.lease_seconds
    ids = body.task_ids
    return {
        "held": opened.transaction(
            lambda c: renew_leases(c, reviewer=user, task_ids=ids, lease_seconds=lease)
        )
    }


@router.post("/release")
def release(body: ReleaseBody, opened: Opened, user: UserName) -> Json:
    """Give tasks back undecided."""
    from ml.review.queue import release_tasks

    ids = body.task_ids
    return {"released": opened.transaction(lambda c: release_tasks(c, reviewer=user, task_ids=ids))}


@router.post("/skip")
def skip(body: TaskBody, opened: Opened, user: UserName) -> Json:
    """Leave one task to others; a task whose photo is missing is closed, or it would never end."""
    from ml.review.queue import close_missing, photo_missing, skip_task

    max_bytes = opened.settings.max_image_bytes
    missing = photo_missing(opened.connections, body.task_id, max_bytes=max_bytes)
    act = close_missing if missing else skip_task
    opened.transaction(lambda c: act(c, reviewer=user, task_id=body.task_id))
    return {"missing": missing}


@router.post("/decide")
def decide(body: DecideBody, opened: Opened, user: UserName) -> Json:
    """Write decisions, each in a transaction of its own.

    Where database or storage fail, the whole request does: the same request again is no change.
    """
    return {"results": [_result(decision, opened, user) for decision in body.decisions]}


@router.post("/undo")
def undo(body: TaskBody, opened: Opened, user: UserName) -> Json:
    """Take back the user's last decision; its task is theirs again, unless another one stands."""
    return {"task": opened.transaction(lambda c: _undone(c, body.task_id, opened, user))}


@router.post("/counts")
def counts(body: CountsBody, opened: Opened) -> Json:
    """How many tasks wait, and for how long."""
    from ml.storage.review_queue import count_tasks

    commerce, filters = opened.connections.commerce, body.filters.for_library()
    found = _filtered(opened, lambda c: count_tasks(c, commerce=commerce, filters=filters))
    oldest = found.oldest_age
    return {
        "open": found.open_count,
        "claimed": found.claimed_count,
        "oldest_seconds": None if oldest is None else oldest.total_seconds(),
    }


def _claimed(connection: "Connection", body: ClaimBody, opened: Resources, user: str) -> list[Json]:
    """The one place where tasks are given to a reviewer, hidden golden ones among them."""
    from ml.review.golden_tasks import insert_golden_tasks
    from ml.review.queue import claim_tasks

    reviewing = opened.policy.reviewing
    tasks = claim_tasks(
        connection,
        reviewer=user,
        count=body.count,
        lease_seconds=reviewing.lease_seconds,
        commerce=opened.connections.commerce,
        filters=body.filters.for_library(),
        order=body.order or reviewing.order,
    )
    if body.filters.product_id is None:  # else a golden photo of another product stands out
        lease = reviewing.lease_seconds
        tasks = insert_golden_tasks(
            connection, tasks, reviewer=user, policy=opened.policy, lease_seconds=lease
        )
    return task_views(connection, opened, [task.task_id for task in tasks])


def _decided(
    connection: "Connection", decision: DecisionBody, opened: Resources, user: str
) -> None:
    """The one place where a decision is written, with the blind second review it may open."""
    from ml.review.decide import ReviewerDecision, decide_task
    from ml.review.second_review import open_follow_ups

    made = ReviewerDecision(
        decision.task_id, decision.label, user, decision.category, decision.note
    )
    decide_task(connection, made, **_parts(opened), lease_holder=user)
    open_follow_ups(connection, decision.task_id, policy=opened.policy)


def _result(decision: DecisionBody, opened: Resources, user: str) -> Json:
    result: Json = {"task_id": decision.task_id}
    try:
        opened.transaction(lambda c: _decided(c, decision, opened, user))
    except (StorageForbidden, StorageUnavailable):
        raise
    except ModerationError as error:
        code = "lease_lost" if isinstance(error, LeaseLost) else "refused"
        return result | {"ok": False, "error": code, "detail": str(error)}
    return result | {"ok": True}


def _undone(connection: "Connection", task_id: int, opened: Resources, user: str) -> Json | None:
    from ml.review.undo import undo_decision
    from ml.storage.review_queue import reclaim_task

    reviewing = opened.policy.reviewing
    within = timedelta(minutes=reviewing.undo_minutes)
    undo_decision(connection, task_id=task_id, reviewer=user, within=within, **_parts(opened))
    lease = reviewing.lease_seconds
    if not reclaim_task(connection, reviewer=user, task_id=task_id, lease_seconds=lease):
        return None
    return task_views(connection, opened, [task_id])[0]


def _parts(opened: Resources) -> dict[str, Any]:
    """What else writing a decision needs."""
    connections, settings = opened.connections, opened.settings
    return {"policy": opened.policy, "commerce": connections.commerce, "names": settings.commerce}


def _filtered(opened: Resources, work: "Callable[[Connection], T]") -> T:
    """Work with filters; a product that the shop's column cannot hold is a bad request."""
    from sqlalchemy.exc import DataError

    try:
        return opened.transaction(work)
    except DataError as error:
        raise ApiError(422, "invalid", "filters.product_id: no such product") from error
