"""Review queue: the page, its tasks and their explanations, appeals, and preferences.

Its scripts claim and decide over `moderation_ui.review.queue_api`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints, model_validator

# At the top: FastAPI reads the body's fields when the app is built.
from ml.policy.schema import Policy
from ml.review.preferences import Preferences, load_preferences, save_preferences
from moderation_ui.web.access import PagePermission, UserName, requires
from moderation_ui.web.errors import ApiError
from moderation_ui.web.pages import render
from moderation_ui.web.resources import (
    NO_NUL,
    Opened,
    Reason,
    RequestModel,
    RequiredPolicy,
    Resources,
    Sha256,
    ShownPolicy,
    TaskId,
)
from moderation_ui.web.words import language_of, short_name

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml.review.task_explanation import SimilarDecisions
    from ml.review.task_view import TaskView

Json = dict[str, Any]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=NO_NUL)]
router = APIRouter(dependencies=[Depends(requires(PagePermission.REVIEW))])

_DIGITS = "123456789"
_OTHER_REASONS = (
    "low_confidence", "appeal", "contested", "code", "code_unreadable", "text_dominated", "blurred",
    "promotion", "review_for_cash", "watermark", "near_duplicate_blocked", "copy_of_blocked",
    "unfamiliar",
    "unjudged_frames", "unjudged_strip", "unjudged_color",
)  # fmt: skip


@router.get("/queue", response_class=HTMLResponse)
def queue_page(request: Request, policy: ShownPolicy) -> HTMLResponse:
    """The page; its script reads filters and view from the address."""
    if not policy.classes:  # no valid policy: the page says so
        return render(request, "queue_closed.html.j2")
    facts = {
        "classes": _classes(policy, language_of(request)),
        "reasons": _reasons(policy),
        "lease_seconds": policy.reviewing.lease_seconds,
        "order": policy.reviewing.order,
    }
    return render(request, "queue.html.j2", script_words=("queue.",), queue=facts)


@router.get("/api/preferences")
def load(opened: Opened, policy: ShownPolicy, user: UserName) -> Json:
    """The user's choices; the policy's order where they chose none."""
    return _view(opened.transaction(lambda c: load_preferences(c, user)), policy)


@router.put("/api/preferences")
def save(body: Preferences, opened: Opened, policy: ShownPolicy, user: UserName) -> Json:
    """Keep the choices; returns them as `load` does."""
    opened.transaction(lambda c: save_preferences(c, user, body))
    return _view(body, policy)


def _view(chosen: Preferences, policy: Policy) -> Json:
    order = chosen.order or policy.reviewing.order
    return chosen.model_dump(mode="json") | {"order": order}


def _classes(policy: Policy, language: str) -> list[Json]:
    """The classes in the policy's order, with titles in the language and their keys.

    `keys`: 1..9 by place (later classes have no digit), `n` for the first class that is no
    violation and `v` for the first that is.
    """
    letters = {
        next(name for name, c in policy.classes.items() if c.violation is violation): letter
        for violation, letter in ((False, "n"), (True, "v"))
    }
    return [
        {
            "name": name,
            "title": getattr(c.title, language),
            "guidance": getattr(c.guidance, language) if c.guidance else "",
            "violation": c.violation,
            "blur": c.blur,
            "keys": [*letters.get(name, ""), *_DIGITS[place : place + 1]],
        }
        for place, (name, c) in enumerate(policy.classes.items())
    ]


def _reasons(policy: Policy) -> list[str]:
    """Reasons that a nightly run can give, as filter values."""
    of_class = [name for name, c in policy.classes.items() if c.violation]
    violations = [f"violation:{name}" for name in of_class]
    similar = [f"similar_violation:{name}" for name in of_class]
    label_issues = [f"label_issue:{name}" for name in policy.classes]
    signals = policy.screens.signal_reasons
    return [*violations, *similar, *signals, *_OTHER_REASONS, *label_issues]


def task_views(
    connection: "Connection", opened: Resources, policy: Policy, task_ids: Sequence[int]
) -> list[Json]:
    """The tasks in the requested order, without those that no longer exist."""
    from ml.review.task_view import load_task_views

    commerce = opened.connections.commerce
    tasks = load_task_views(connection, task_ids, policy=policy, commerce=commerce)
    blurred = {name for name, c in policy.classes.items() if c.blur}
    return [_task_view(task, blur=task.likely in blurred) for task in tasks]


def _task_view(task: "TaskView", *, blur: bool) -> Json:
    fields = asdict(task)
    fields["photo"] = fields.pop("content_sha256")
    del fields["likely"]  # for the blur alone
    return fields | {"name": short_name(task.object_key), "blur": blur}


class AppealBody(RequestModel):
    """The objection to a decision on a photo, named by its key in the bucket or by its content."""

    object_key: Key | None = None
    content_sha256: Sha256 | None = None
    reason: Reason

    @model_validator(mode="after")
    def _check_one_photo(self) -> Self:
        if (self.object_key is None) == (self.content_sha256 is None):
            raise ValueError("exactly one of object_key and content_sha256")
        return self


@router.post("/api/appeals")
def appeal(body: AppealBody, opened: Opened, user: UserName) -> Json:
    """Open a review of the photo; its status in the commerce database stays until then."""
    from ml.review.second_review import appeal_decision, appeal_photo

    def work(connection: "Connection") -> int:
        if body.content_sha256 is not None:
            return appeal_decision(connection, body.content_sha256, reason=body.reason, by=user)
        return appeal_photo(connection, str(body.object_key), reason=body.reason, by=user)

    return {"task_id": opened.transaction(work)}


@router.get("/api/queue/tasks/{task_id}/why")
def explain(task_id: TaskId, opened: Opened, policy: RequiredPolicy) -> Json:
    """All that the reviewer may know about the task."""
    from ml.review.task_explanation import explain_task

    decided = _decided_photos()
    found = opened.transaction(lambda c: explain_task(c, task_id, policy=policy, decided=decided))
    if found is None:
        raise ApiError(404, "absent", f"no review task {task_id}")
    scored = sorted(found.scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return asdict(found) | {"scores": [_score(name, score, policy) for name, score in scored]}


@cache
def _decided_photos() -> "SimilarDecisions":
    """The hashes of this process."""
    from ml.review.task_explanation import SimilarDecisions

    return SimilarDecisions()


def _score(name: str, score: float, policy: Policy) -> Json:
    known = policy.classes.get(name)
    # A class that the policy no longer has is shown by its name.
    title = known.title.model_dump() if known else {"en": name, "zh": name}
    violation = known.violation if known else False
    return {"class": name, "title": title, "score": score, "violation": violation}
