"""A reviewer's preferences for the queue's page."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError
from sqlalchemy import Connection

from ml.core.yaml_file import StrictModel
from ml.storage.review_queue import Order
from ml.storage.task_filters import load_reviewer_settings, save_reviewer_settings


class Preferences(StrictModel):
    """One reviewer's choices.

    `blur`: which photos are blurred at first; `grey`: show photos in grayscale; `order`: of a
    claim, None is the policy's; `batch`: photos in the grid at once.
    """

    blur: Literal["policy", "always", "never"] = "policy"
    grey: bool = False
    order: Order | None = None
    batch: Annotated[int, Field(ge=6, le=48)] = 12


def load_preferences(connection: Connection, reviewer: str) -> Preferences:
    """The reviewer's choices; the defaults where none were saved or they are no longer valid."""
    settings = load_reviewer_settings(connection, reviewer)
    try:
        return Preferences.model_validate(settings)
    except ValidationError:
        return Preferences()


def save_preferences(connection: Connection, reviewer: str, preferences: Preferences) -> None:
    """Save the choices in place of the earlier ones."""
    save_reviewer_settings(connection, reviewer, preferences.model_dump(mode="json"))
