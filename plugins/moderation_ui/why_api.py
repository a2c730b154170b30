"""Why a photo waits: scores, screens, like photos and what people said before."""

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path

from moderation_ui.access import Right, requires
from moderation_ui.refusals import Refused
from moderation_ui.resources import Resources, resources
from moderation_ui.task_view import Json

if TYPE_CHECKING:
    from ml.policy.policy import Policy
    from ml.review.near_decisions import NearDecisions
    from ml.review.why import Why

router = APIRouter(prefix="/api/queue/tasks", dependencies=[Depends(requires(Right.DECIDE))])


@router.get("/{task_id}/why")
def why_route(
    task_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    opened: Annotated[Resources, Depends(resources)],
) -> Json:
    """All that the reviewer may know of the task."""
    from ml.review.why import why

    policy, decided = opened.policy, _decided_photos()
    found = opened.transaction(lambda c: why(c, task_id, policy=policy, decided=decided))
    if found is None:
        raise Refused(404, "absent", f"no review task {task_id}")
    return _view(found, policy)


@cache
def _decided_photos() -> "NearDecisions":
    """The hashes of this process."""
    from ml.review.near_decisions import NearDecisions

    return NearDecisions()


def _view(found: "Why", policy: "Policy") -> Json:
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
