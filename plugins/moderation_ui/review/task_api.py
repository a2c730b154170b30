"""Review tasks as the page shows them, their explanation, and appeals."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import StringConstraints

from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.resources import (
    NO_NUL,
    Opened,
    Reason,
    RequestModel,
    Resources,
    TaskId,
)
from moderation_ui.web.words import short_name

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml.policy.schema import Policy
    from ml.review.similar_decisions import SimilarDecisions
    from ml.review.task_view import TaskView

Json = dict[str, Any]
router = APIRouter(prefix="/api", dependencies=[Depends(requires(PagePermission.REVIEW))])


def task_views(connection: "Connection", opened: Resources, task_ids: Sequence[int]) -> list[Json]:
    """The tasks in the requested order, without those that no longer exist."""
    from ml.review.task_view import load_task_views

    policy, commerce = opened.policy, opened.connections.commerce
    tasks = load_task_views(connection, task_ids, policy=policy, commerce=commerce)
    blurred = {name for name, c in policy.classes.items() if c.blur}
    return [_task_view(task, blur=task.likely in blurred) for task in tasks]


def _task_view(task: "TaskView", *, blur: bool) -> Json:
    fields = asdict(task)
    fields["photo"] = fields.pop("content_sha256")
    del fields["likely"]  # for the blur alone
    return fields | {"name": short_name(task.object_key), "blur": blur}


class AppealBody(RequestModel):
    """The photo by its key in the bucket, and the objection to the decision."""

    object_key: Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=NO_NUL)]
    reason: Reason


@router.post("/appeals")
def appeal(body: AppealBody, opened: Opened, user: UserName) -> Json:
    """Open a review of the photo; its status in the commerce database stays until then."""
    from ml.review.appeal import appeal_photo

    key, reason = body.object_key, body.reason
    return {"task_id": opened.transaction(lambda c: appeal_photo(c, key, reason=reason, by=user))}


@router.get("/queue/tasks/{task_id}/why")
def explain(task_id: TaskId, opened: Opened) -> Json:
    """All that the reviewer may know about the task."""
    from ml.review.task_explanation import explain_task

    policy, decided = opened.policy, _decided_photos()
    found = opened.transaction(lambda c: explain_task(c, task_id, policy=policy, decided=decided))
    if found is None:
        raise ApiError(404, "absent", f"no review task {task_id}")
    scored = sorted(found.scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return asdict(found) | {"scores": [_score(name, score, policy) for name, score in scored]}


@cache
def _decided_photos() -> "SimilarDecisions":
    """The hashes of this process."""
    from ml.review.similar_decisions import SimilarDecisions

    return SimilarDecisions()


def _score(name: str, score: float, policy: "Policy") -> Json:
    known = policy.classes.get(name)
    # A class that the policy no longer has is shown by its name.
    title = known.title.model_dump() if known else {"en": name, "zh": name}
    violation = known.violation if known else False
    return {"class": name, "title": title, "score": score, "violation": violation}
