"""Routes of one review task: its view, explanation, appeals, and the user's preferences."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path

from ml.review.preferences import Preferences, load_preferences, save_preferences
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.request_types import JsonBody, ObjectKey, Reason
from moderation_ui.web.resources import Resources, resources

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml.policy.schema import Policy
    from ml.review.task_explanation import SimilarDecisions, TaskExplanation
    from ml.review.task_view import TaskView


Json = dict[str, Any]


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
    return fields | {"name": task.object_key.rpartition("/")[2], "blur": blur}


appeals_router = APIRouter(
    prefix="/api/appeals", dependencies=[Depends(requires(PagePermission.REVIEW))]
)


class AppealBody(JsonBody):
    """The photo by its key in the bucket, and what was said against the decision."""

    object_key: ObjectKey
    reason: Reason


@appeals_router.post("")
def appeal(
    body: AppealBody, opened: Annotated[Resources, Depends(resources)], user: UserName
) -> Json:
    """Let the photo be looked at again; its status in the shop stays until then."""
    from ml.review.second_review import appeal_photo

    key, reason = body.object_key, body.reason
    return {"task_id": opened.transaction(lambda c: appeal_photo(c, key, reason=reason, by=user))}


# Read at the top: FastAPI takes the body's form from it when the app is built.

preferences_router = APIRouter(
    prefix="/api/preferences", dependencies=[Depends(requires(PagePermission.REVIEW))]
)
Opened = Annotated[Resources, Depends(resources)]


@preferences_router.get("")
def load_route(opened: Opened, user: UserName) -> Json:
    """The user's choices; the policy's order where they chose none."""
    chosen = opened.transaction(lambda c: load_preferences(c, user))
    return _preferences_view(chosen, opened)


@preferences_router.put("")
def save_route(body: Preferences, opened: Opened, user: UserName) -> Json:
    """Keep the choices; returns them as `load_route` does."""
    opened.transaction(lambda c: save_preferences(c, user, body))
    return _preferences_view(body, opened)


def _preferences_view(chosen: Preferences, opened: Resources) -> Json:
    order = chosen.order or opened.policy.reviewing.order
    return chosen.model_dump(mode="json") | {"order": order}


explanation_router = APIRouter(
    prefix="/api/queue/tasks", dependencies=[Depends(requires(PagePermission.REVIEW))]
)


@explanation_router.get("/{task_id}/why")
def why_route(
    task_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    opened: Annotated[Resources, Depends(resources)],
) -> Json:
    """All that the reviewer may know of the task."""
    from ml.review.task_explanation import explain_task

    policy, decided = opened.policy, _decided_photos()
    found = opened.transaction(lambda c: explain_task(c, task_id, policy=policy, decided=decided))
    if found is None:
        raise ApiError(404, "absent", f"no review task {task_id}")
    return _explanation_view(found, policy)


@cache
def _decided_photos() -> "SimilarDecisions":
    """The hashes of this process."""
    from ml.review.task_explanation import SimilarDecisions

    return SimilarDecisions()


def _explanation_view(found: "TaskExplanation", policy: "Policy") -> Json:
    near = [
        {
            "photo": one.content_sha256,
            "label": one.label,
            "decided_at": one.decided_at,
            "distance": one.distance,
        }
        for one in found.near
    ]
    scored = sorted(found.scores.items(), key=lambda pair: (-pair[1], pair[0]))
    scores = [_score(name, score, policy) for name, score in scored]
    return asdict(found) | {"scores": scores, "near": near}


def _score(name: str, score: float, policy: "Policy") -> Json:
    known = policy.classes.get(name)
    # A class that the policy dropped since is shown by its plain name.
    title = known.title.model_dump() if known else {"en": name, "zh": name}
    violation = known.violation if known else False
    return {"class": name, "title": title, "score": score, "violation": violation}
