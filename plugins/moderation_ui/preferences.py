"""How the user likes the queue's page."""

from typing import Annotated

from fastapi import APIRouter, Depends

# Read at the top: FastAPI takes the body's form from it when the app is built.
from ml.review.preferences import Preferences, load_preferences, save_preferences
from moderation_ui.access import Right, UserName, requires
from moderation_ui.resources import Resources, resources
from moderation_ui.task_view import Json

router = APIRouter(prefix="/api/preferences", dependencies=[Depends(requires(Right.DECIDE))])
Opened = Annotated[Resources, Depends(resources)]


@router.get("")
def load(opened: Opened, user: UserName) -> Json:
    """The user's choices; the policy's order where they chose none."""
    chosen = opened.transaction(lambda c: load_preferences(c, user))
    return _view(chosen, opened)


@router.put("")
def save(body: Preferences, opened: Opened, user: UserName) -> Json:
    """Keep the choices; returns them as `load` does."""
    opened.transaction(lambda c: save_preferences(c, user, body))
    return _view(body, opened)


def _view(chosen: Preferences, opened: Resources) -> Json:
    order = chosen.order or opened.policy.reviewing.order
    return chosen.model_dump(mode="json") | {"order": order}
