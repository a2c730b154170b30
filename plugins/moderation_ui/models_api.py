"""An owner switches the champion: promote a version, or roll back to an earlier one."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import StringConstraints

from moderation_ui.access import Right, UserName, requires
from moderation_ui.input_types import Body, Reason, Sha256
from moderation_ui.resources import Resources, resources

router = APIRouter(prefix="/api/models", dependencies=[Depends(requires(Right.OWN))])
Opened = Annotated[Resources, Depends(resources)]
HashStart = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]


class PromoteBody(Body):
    """`expected` is the champion that the page showed; None: that there was none."""

    reason: Reason
    expected: Sha256 | None


class RollbackBody(Body):
    """`expected` as above; without it, whichever is champion."""

    to: Literal["previous"] | HashStart
    reason: Reason
    expected: Sha256 | None = None


@router.post("/{model_hash}/promote")
def promote(
    model_hash: Sha256, body: PromoteBody, opened: Opened, user: UserName
) -> dict[str, str]:
    """Make a version the champion that no gate holds; says which one is."""
    # Here, since it loads the version: an API server that promotes nothing never imports torch.
    from ml.retraining.promote_by_hand import promote_by_hand

    promote_by_hand(
        model_hash, by=user, reason=body.reason, expected=body.expected, **_parts(opened)
    )
    return {"champion": model_hash}


@router.post("/rollback")
def rollback(body: RollbackBody, opened: Opened, user: UserName) -> dict[str, str]:
    """Make an earlier champion the champion again; says which one is."""
    from ml.retraining.rollback import rollback as roll_back

    expected = ... if body.expected is None else body.expected
    champion = roll_back(body.to, by=user, reason=body.reason, expected=expected, **_parts(opened))
    return {"champion": champion}


def _parts(opened: Resources) -> dict[str, Any]:
    return {"settings": opened.settings, "connections": opened.connections}
