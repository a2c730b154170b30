"""An appeal against what became of a photo, entered by the person who took it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from moderation_ui.access import Right, UserName, requires
from moderation_ui.input_types import Body, ObjectKey, Reason
from moderation_ui.resources import Resources, resources
from moderation_ui.task_view import Json

router = APIRouter(prefix="/api/appeals", dependencies=[Depends(requires(Right.DECIDE))])


class AppealBody(Body):
    """The photo by its key in the bucket, and what was said against the decision."""

    object_key: ObjectKey
    reason: Reason


@router.post("")
def appeal(
    body: AppealBody, opened: Annotated[Resources, Depends(resources)], user: UserName
) -> Json:
    """Let the photo be looked at again; its status in the shop stays until then."""
    from ml.review.appeal import reopen_object

    key, reason = body.object_key, body.reason
    return {"task_id": opened.transaction(lambda c: reopen_object(c, key, reason=reason, by=user))}
