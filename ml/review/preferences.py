"""`moderation.reviewer_preference`: how a reviewer likes the queue's page."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from ml.review.queue import Order
from ml.storage.schema import reviewer_preference


class Preferences(BaseModel):
    """One reviewer's choices.

    `blur`: which photos are shown blurred first; `grey`: without colours; `order`: of a claim, None
    is the policy's; `batch`: photos that the grid shows at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    blur: Literal["policy", "always", "never"] = "policy"
    grey: bool = False
    order: Order | None = None
    batch: Annotated[int, Field(ge=6, le=48)] = 12


def load_preferences(connection: Connection, reviewer: str) -> Preferences:
    """The reviewer's choices; the defaults where there are none, or none that hold any more."""
    query = select(reviewer_preference.c.preferences).where(
        reviewer_preference.c.reviewer == reviewer
    )
    stored = connection.execute(query).scalar()
    try:
        return Preferences.model_validate(stored or {})
    except ValidationError:
        return Preferences()


def save_preferences(connection: Connection, reviewer: str, preferences: Preferences) -> None:
    """Write the choices over those of before."""
    row = insert(reviewer_preference).values(
        reviewer=reviewer, preferences=preferences.model_dump(mode="json")
    )
    changed = {"preferences": row.excluded.preferences, "changed_at": func.now()}
    connection.execute(row.on_conflict_do_update(index_elements=["reviewer"], set_=changed))
